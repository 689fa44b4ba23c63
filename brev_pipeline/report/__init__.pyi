from .build import build_report as build_report
from .context import ReportInputs as ReportInputs
