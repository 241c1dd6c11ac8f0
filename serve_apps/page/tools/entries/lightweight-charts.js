export { createChart, AreaSeries, BaselineSeries, CandlestickSeries, HistogramSeries, LineSeries, ColorType, CrosshairMode, LineStyle, LineType } from "lightweight-charts";
