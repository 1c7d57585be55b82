package bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;
import org.apache.storm.Config;
import org.apache.storm.LocalCluster;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;

/**
 * Word count on Storm's local cluster, with one worker or with several that talk over Netty.
 *
 * <p>Prints a SAMPLE line at each window's edge and a RESULT line when everything has come to rest.
 * Spouts and bolts of all workers are in this process, so what they count is here to be added up.
 */
public final class WordCount {
  private static final int WORDS = 450_000;
  private static final int LENGTH = 20;
  /** Time from the last task's start to the first tuple: workers drop what comes before links. */
  private static final long LINK_MILLIS = 3000;

  /** Time for everything in flight to be acked and counted. */
  private static final long REST_NANOS = 60_000_000_000L;

  /**
   * How a word begins that is there for others only. A worker keeps what it has received until a
   * batch is full, however long that takes: the last words arrive only if something follows them.
   */
  private static final String FILLER = "#";

  private static final LongAdder emitted = new LongAdder();
  private static final LongAdder acked = new LongAdder();
  private static final LongAdder failed = new LongAdder();
  private static final LongAdder executed = new LongAdder();
  private static final List<Map<String, Long>> counts = new CopyOnWriteArrayList<>();
  private static final Histogram latency = new ConcurrentHistogram(60_000_000_000L, 3);
  private static final AtomicInteger started = new AtomicInteger();
  private static volatile boolean running;
  private static volatile boolean draining;
  private static volatile boolean measuring;

  private WordCount() {}

  /** Emits random words, as many as are taken or at times that are fixed beforehand. */
  public static final class WordSpout extends BaseRichSpout {
    private final boolean tracked;
    private final double rate;
    private transient SpoutOutputCollector collector;
    private transient String[] words;
    private transient Random random;
    private transient long first;
    private transient long next;

    WordSpout(boolean tracked, double rate) {
      this.tracked = tracked;
      this.rate = rate;
    }

    @Override
    public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector out) {
      collector = out;
      words = dictionary();
      random = new Random(context.getThisTaskId());
      started.incrementAndGet();
    }

    @Override
    public void nextTuple() {
      if (draining) {
        fill();
      }
      if (!running) {
        return;
      }
      long now = System.nanoTime();
      long due = now;
      if (rate > 0) {
        first = first == 0 ? now : first;
        due = first + (long) (next * 1e9 / rate);
        if (due > now) {
          return;
        }
        next++;
      }
      Values word = new Values(words[random.nextInt(words.length)]);
      emitted.increment();
      if (tracked) {
        // Storm compares message ids by identity; the array makes each one unlike all others.
        collector.emit(word, new long[] {due});
      } else {
        collector.emit(word);
      }
    }

    /** Emits what nobody counts. */
    private void fill() {
      Values filler = new Values(FILLER + random.nextInt());
      if (tracked) {
        collector.emit(filler, new long[] {0});
      } else {
        collector.emit(filler);
      }
    }

    @Override
    public void ack(Object id) {
      if (((long[]) id)[0] == 0) {
        return;
      }
      acked.increment();
      if (measuring) {
        latency.recordValue(Math.max(1, System.nanoTime() - ((long[]) id)[0]));
      }
    }

    @Override
    public void fail(Object id) {
      failed.increment();
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      declarer.declare(new Fields("word"));
    }
  }

  /** Counts words. */
  public static final class CountBolt extends BaseRichBolt {
    private transient OutputCollector collector;
    private transient Map<String, Long> mine;

    @Override
    public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector out) {
      collector = out;
      mine = new HashMap<>();
      counts.add(mine);
      started.incrementAndGet();
    }

    @Override
    public void execute(Tuple tuple) {
      String word = tuple.getString(0);
      if (!word.startsWith(FILLER)) {
        mine.merge(word, 1L, Long::sum);
        executed.increment();
      }
      collector.ack(tuple);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {}
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

  /** SPOUTS BOLTS WORKERS ACKED PENDING BATCH RATE WARM_UP WINDOW WINDOWS, times in seconds. */
  public static void main(String[] args) throws Exception {
    int spouts = Integer.parseInt(args[0]);
    int bolts = Integer.parseInt(args[1]);
    int workers = Integer.parseInt(args[2]);
    boolean tracked = Boolean.parseBoolean(args[3]);
    double rate = Double.parseDouble(args[6]);

    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("words", new WordSpout(tracked, rate / spouts), spouts);
    builder.setBolt("count", new CountBolt(), bolts).fieldsGrouping("words", new Fields("word"));
    Config config = new Config();
    config.setNumWorkers(workers);
    config.setNumAckers(tracked ? spouts : 0);
    if (tracked) {
      config.setMaxSpoutPending(Integer.parseInt(args[4]));
    }
    config.put(Config.TOPOLOGY_PRODUCER_BATCH_SIZE, Integer.parseInt(args[5]));
    config.put(Config.TOPOLOGY_TRANSFER_BATCH_SIZE, 100);
    Map<String, Object> daemons = new HashMap<>();
    if (workers > 1) {
      // Without it workers of a local cluster hand each other objects.
      daemons.put(Config.STORM_LOCAL_MODE_ZMQ, true);
    }
    LocalCluster cluster =
        new LocalCluster.Builder().withSupervisors(workers).withDaemonConf(daemons).build();
    cluster.submitTopology("word-count", config, builder.createTopology());

    while (started.get() < spouts + bolts) {
      Thread.sleep(100);
    }
    Thread.sleep(LINK_MILLIS);
    running = true;
    measure(args, tracked);
    running = false;
    draining = true;
    rest(tracked);
    result(tracked);
    System.out.flush();
    // A local cluster takes long to shut down, and there is nothing left to be had of it.
    Runtime.getRuntime().halt(0);
  }

  private static void measure(String[] args, boolean tracked) throws InterruptedException {
    long windowNanos = (long) (Double.parseDouble(args[8]) * 1e9);
    int windows = Integer.parseInt(args[9]);
    long due = System.nanoTime() + (long) (Double.parseDouble(args[7]) * 1e9);
    for (int i = 0; i <= windows; i++) {
      long left = due - System.nanoTime();
      if (left > 0) {
        Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
      }
      measuring = true;
      due += windowNanos;
      long done = tracked ? acked.sum() : executed.sum();
      double seconds = System.nanoTime() / 1e9;
      System.out.printf(Locale.ROOT, "SAMPLE {\"seconds\":%.6f,\"done\":%d}%n", seconds, done);
      System.out.flush();
    }
    measuring = false;
  }

  /** Returns when all words are counted and acked, or after a while. */
  private static void rest(boolean tracked) throws InterruptedException {
    long until = System.nanoTime() + REST_NANOS;
    boolean all = false;
    while (!all && System.nanoTime() < until) {
      Thread.sleep(200);
      all = executed.sum() == emitted.sum() && (!tracked || acked.sum() == emitted.sum());
    }
    draining = false;
  }

  private static void result(boolean tracked) {
    long counted = 0;
    for (Map<String, Long> some : new ArrayList<>(counts)) {
      for (long count : some.values()) {
        counted += count;
      }
    }
    String acks = tracked ? Long.toString(acked.sum()) : "null";
    System.out.printf(
        Locale.ROOT,
        "RESULT {\"emitted\":%d,\"acked\":%s,\"failed\":%d,\"counted\":%d,\"latency\":%s}%n",
        emitted.sum(),
        acks,
        failed.sum(),
        counted,
        tracked ? Quantiles.json(latency) : "null");
  }
}
