package bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.source.legacy.RichParallelSourceFunction;
import org.apache.flink.util.Collector;

/**
 * Word count on Flink's mini cluster: state that survives by checkpoints each second instead of
 * acks, or none at all.
 *
 * <p>Prints a SAMPLE line at each window's edge and a RESULT line when the job has ended.
 */
public final class WordCount {
  private static final int WORDS = 450_000;
  private static final int LENGTH = 20;
  private static final long CHECKPOINT_MILLIS = 1000;

  private static final LongAdder emitted = new LongAdder();
  private static final LongAdder counted = new LongAdder();
  private static final Histogram latency = new ConcurrentHistogram(60_000_000_000L, 3);
  private static volatile boolean stopped;
  private static volatile boolean measuring;

  private WordCount() {}

  /** A word and when it was emitted. */
  public static class Word {
    public String word;
    public long at;

    public Word() {}

    Word(String word, long at) {
      this.word = word;
      this.at = at;
    }
  }

  /** Emits random words until it is told to stop; then it ends, and with it the job. */
  public static final class Words extends RichParallelSourceFunction<Word> {
    private volatile boolean cancelled;

    @Override
    public void run(SourceContext<Word> context) {
      String[] words = dictionary();
      Random random = new Random(getRuntimeContext().getTaskInfo().getIndexOfThisSubtask());
      while (!stopped && !cancelled) {
        synchronized (context.getCheckpointLock()) {
          context.collect(new Word(words[random.nextInt(words.length)], System.nanoTime()));
          emitted.increment();
        }
      }
    }

    @Override
    public void cancel() {
      cancelled = true;
    }
  }

  /** Counts words in keyed state. */
  public static final class Count extends RichFlatMapFunction<Word, Long> {
    private transient ValueState<Long> state;

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
    }

    @Override
    public void flatMap(Word word, Collector<Long> out) throws Exception {
      Long before = state.value();
      state.update(before == null ? 1 : before + 1);
      counted.increment();
      if (measuring) {
        latency.recordValue(Math.max(1, System.nanoTime() - word.at));
      }
    }
  }

  private static String[] dictionary() {
    Random random = new Random(7);
    String[] words = new String[WORDS];
    for (int i = 0; i < WORDS; i++) {
      char[] letters = new char[LENGTH];
      for (int j = 0; j < LENGTH; j++) {
        letters[j] = (char) ('a' + random.nextInt(26));
      }
      words[i] = new String(letters);
    }
    return words;
  }

  /** SOURCES COUNTERS CHECKPOINTS WARM_UP WINDOW WINDOWS, times in seconds. */
  public static void main(String[] args) throws Exception {
    int sources = Integer.parseInt(args[0]);
    int counters = Integer.parseInt(args[1]);
    Configuration config = new Configuration();
    config.setString("taskmanager.numberOfTaskSlots", "8");
    // A task that fails would start over and count twice: it ends the job instead.
    config.setString("restart-strategy.type", "none");
    // Half a million counts are more than a checkpoint in the job manager's memory may hold.
    Path checkpoints = Files.createTempDirectory("flink-checkpoints");
    config.setString("execution.checkpointing.storage", "filesystem");
    config.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(Math.max(sources, counters), config);
    if (Boolean.parseBoolean(args[2])) {
      environment.enableCheckpointing(CHECKPOINT_MILLIS);
    }
    environment.getConfig().enableObjectReuse();
    environment
        .addSource(new Words())
        .setParallelism(sources)
        .keyBy(word -> word.word)
        .flatMap(new Count())
        .setParallelism(counters)
        .sinkTo(new DiscardingSink<>())
        .setParallelism(counters);
    JobClient job = environment.executeAsync();

    measure(args);
    stopped = true;
    job.getJobExecutionResult().get(60, TimeUnit.SECONDS);
    System.out.printf(
        Locale.ROOT,
        "RESULT {\"emitted\":%d,\"acked\":null,\"counted\":%d,\"latency\":%s}%n",
        emitted.sum(),
        counted.sum(),
        Quantiles.json(latency));
    System.out.flush();
    try (Stream<Path> files = Files.walk(checkpoints)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    }
    Runtime.getRuntime().halt(0);
  }

  private static void measure(String[] args) throws InterruptedException {
    long windowNanos = (long) (Double.parseDouble(args[4]) * 1e9);
    int windows = Integer.parseInt(args[5]);
    long due = System.nanoTime() + (long) (Double.parseDouble(args[3]) * 1e9);
    for (int i = 0; i <= windows; i++) {
      long left = due - System.nanoTime();
      if (left > 0) {
        Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
      }
      measuring = true;
      due += windowNanos;
      double seconds = System.nanoTime() / 1e9;
      System.out.printf(
          Locale.ROOT, "SAMPLE {\"seconds\":%.6f,\"done\":%d}%n", seconds, counted.sum());
      System.out.flush();
    }
    measuring = false;
  }
}
