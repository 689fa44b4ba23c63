"""Sampling: how often each group of images is drawn, and every single draw.

A *group* is the images of one purpose that agree in the configured columns. Its *weight* is a function of its
size (`group_weights`); its *probability* is its share of the purpose's weights. A *draw* is one image drawn in
one epoch, with a seed of its own. Nothing here is random: draws per epoch come by largest remainder
(`apportion`), each group hands its images out in a fixed circle (`times_drawn`), and the circle's order and the
seeds are keyed hashes. So the drawn frequencies equal the weight table's, and anyone can check them by hand.
"""

from brev_pipeline.sampling.apportion import apportion
from brev_pipeline.sampling.groups import Groups, groups_of
from brev_pipeline.sampling.plan import DRAWS, draw_plan
from brev_pipeline.sampling.rotation import times_drawn
from brev_pipeline.sampling.weighing import group_weights
from brev_pipeline.sampling.weights import sampling_weights

__all__ = [
    "DRAWS",
    "Groups",
    "apportion",
    "draw_plan",
    "group_weights",
    "groups_of",
    "sampling_weights",
    "times_drawn",
]
