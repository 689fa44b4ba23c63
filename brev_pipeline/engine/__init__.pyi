from .base import Engine as Engine
from .base import LostTask as LostTask
from .local import LocalEngine as LocalEngine
from .local import SerialEngine as SerialEngine
from .local import create_engine as create_engine
from .progress import Counted as Counted
from .progress import Progress as Progress
from .ray.engine import RayEngine as RayEngine
