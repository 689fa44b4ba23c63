from .build import build_report as build_report
from .inputs import ReportInputs as ReportInputs
