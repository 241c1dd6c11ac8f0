"""The computation of a search: variants, bars, planes, rankings, stops, reports."""
