from .exhibits import Exhibit as Exhibit
from .exhibits import Preview as Preview
from .exhibits import gather_exhibits as gather_exhibits
from .sheet import draw_sheet as draw_sheet
