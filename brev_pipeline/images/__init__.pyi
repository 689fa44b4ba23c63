from .decoding import DecodedImage as DecodedImage
from .decoding import decode_image as decode_image
from .pipeline import ImagePipeline as ImagePipeline
from .pixel_reader import PreparedPixels as PreparedPixels
from .pixel_reader import read_prepared_pixels as read_prepared_pixels
from .prepare import prepare_images as prepare_images
