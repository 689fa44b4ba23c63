from .deep_verification import Remade as Remade
from .deep_verification import remake as remake
from .garbage import (
    Garbage as Garbage,
)
from .garbage import (
    GarbageRules as GarbageRules,
)
from .garbage import (
    find_garbage as find_garbage,
)
from .garbage import (
    remove_garbage as remove_garbage,
)
from .removals import Removal as Removal
from .removals import Removals as Removals
from .removals import remove_version as remove_version
from .trace import trace_image as trace_image
from .trace import trace_record as trace_record
from .verification import StoreVerification as StoreVerification
from .verification import Verification as Verification
from .verify import verify_folder as verify_folder
from .verify import verify_store as verify_store
from .verify import verify_version as verify_version
