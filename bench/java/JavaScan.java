import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import org.apache.hadoop.hbase.Cell;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Result;
import org.apache.hadoop.hbase.client.ResultScanner;
import org.apache.hadoop.hbase.client.Scan;
import org.apache.hadoop.hbase.client.Table;

/**
 * HBase's own Java client beside hbimg's: it reads ranges of a table into one array, as often as it is told.
 *
 * Each line on stdin is TABLE START STOP BYTES PREFETCH; the answer is how many bytes of values came, without the last
 * TAIL bytes of each cell, and their CRC-32. A checksum of each cell is not verified, which hbimg does.
 */
public class JavaScan {
  /** Bytes of hbimg's seal behind each value. */
  private static final int TAIL = Integer.getInteger("tail", 8);
  private static final byte[] FAMILY = {'i'};
  private static byte[] target = new byte[0];

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (Connection connection = ConnectionFactory.createConnection(HBaseConfiguration.create())) {
      System.out.println("ready");
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] words = line.split(" ");
        if (target.length < Integer.parseInt(words[3])) {
          target = new byte[Integer.parseInt(words[3])];
        }
        int size = read(connection, words);
        CRC32 sum = new CRC32();
        if (words.length > 5) {
          sum.update(target, 0, size);
        }
        System.out.println(size + " " + sum.getValue());
      }
    }
  }

  private static int read(Connection connection, String[] words) throws Exception {
    // As much in an answer as hbimg asks for, and never fewer for the number of rows.
    Scan scan = new Scan().withStartRow(words[1].getBytes(StandardCharsets.UTF_8))
        .withStopRow(words[2].getBytes(StandardCharsets.UTF_8)).addFamily(FAMILY)
        .setCaching(Integer.MAX_VALUE).setMaxResultSize(4 << 20).setAsyncPrefetch(Boolean.parseBoolean(words[4]));
    int size = 0;
    try (Table table = connection.getTable(TableName.valueOf(words[0]));
        ResultScanner scanner = table.getScanner(scan)) {
      for (Result result : scanner) {
        for (Cell cell : result.rawCells()) {
          int length = cell.getValueLength() - TAIL;
          System.arraycopy(cell.getValueArray(), cell.getValueOffset(), target, size, length);
          size += length;
        }
      }
    }
    return size;
  }
}
