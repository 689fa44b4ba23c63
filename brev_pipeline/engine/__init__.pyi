from .base import Engine as Engine
from .base import LostTask as LostTask
from .base import SerialEngine as SerialEngine
from .base import create_engine as create_engine
from .process_pool import LocalEngine as LocalEngine
from .progress import Counted as Counted
from .progress import Progress as Progress
from .ray.engine import RayEngine as RayEngine
