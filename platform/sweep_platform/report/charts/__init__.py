"""Charts of the report as Vega-Lite specifications. Each of these modules loads Altair."""
