from .bars import class_balance as class_balance
from .bars import drawn_shares as drawn_shares
from .bars import split_shares as split_shares
from .sheets import quarantine_sheet as quarantine_sheet
from .sheets import sample_sheet as sample_sheet
