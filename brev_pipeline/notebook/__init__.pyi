from .data_generator import DataGenerator as DataGenerator
from .data_generator import StratifiedSampler as StratifiedSampler
from .dataset import Dataset as Dataset
from .image_callables import ImageAugmenter as ImageAugmenter
from .image_callables import ImagePipeline as ImagePipeline
from .sample_split import SampleSplit as SampleSplit
from .steps import OneHotEncoder as OneHotEncoder
