from .augmentation import ImageAugmenter as ImageAugmenter
from .images import ImagePipeline as ImagePipeline
from .notebook import DataGenerator as DataGenerator
from .notebook import Dataset as Dataset
from .notebook import OneHotEncoder as OneHotEncoder
from .notebook import SampleSplit as SampleSplit
from .notebook import StratifiedSampler as StratifiedSampler
from .readers import read as read
