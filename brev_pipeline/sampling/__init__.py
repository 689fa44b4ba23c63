"""Sampling: how often each group of images is drawn, and every single draw.

A *group* is the images of one purpose that agree in the configured columns. Its *weight* is a function of its
size (`compute_group_weights`); its *probability* is its share of the purpose's weights. A *draw* is one image drawn in
one epoch, with a seed of its own. Nothing here is random: draws per epoch come by largest remainder
(`apportion_draws`), each group hands its images out in a fixed circle (`count_draws`), and the circle's order and
the seeds are keyed hashes. So the drawn frequencies equal the weight table's, and anyone can check them by hand.
"""

from brev_pipeline.sampling.apportionment import apportion_draws, count_draws
from brev_pipeline.sampling.draw_plan import DRAWS, plan_draws
from brev_pipeline.sampling.weights import (
    SamplingGroups,
    compute_group_weights,
    compute_sampling_weights,
    group_images,
)

__all__ = [
    "DRAWS",
    "SamplingGroups",
    "apportion_draws",
    "compute_group_weights",
    "compute_sampling_weights",
    "count_draws",
    "group_images",
    "plan_draws",
]
