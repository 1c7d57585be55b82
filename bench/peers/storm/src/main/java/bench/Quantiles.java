package bench;

import java.util.Locale;
import org.HdrHistogram.Histogram;

/** A histogram of nanoseconds as the bench reads it: quantiles in seconds. */
final class Quantiles {
  private Quantiles() {}

  static String json(Histogram histogram) {
    if (histogram.getTotalCount() == 0) {
      return "null";
    }
    return String.format(
        Locale.ROOT,
        "{\"p50\":%.9f,\"p90\":%.9f,\"p99\":%.9f,\"p999\":%.9f,\"max\":%.9f,\"count\":%d}",
        histogram.getValueAtPercentile(50) / 1e9,
        histogram.getValueAtPercentile(90) / 1e9,
        histogram.getValueAtPercentile(99) / 1e9,
        histogram.getValueAtPercentile(99.9) / 1e9,
        histogram.getMaxValue() / 1e9,
        histogram.getTotalCount());
  }
}
