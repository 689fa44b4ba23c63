import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;

/**
 * Reads pictures with the decoders of Java's ImageIO: those of the JDK, or those of TwelveMonkeys.
 *
 * <p>Arguments: a file of lines "family TAB format TAB picture", and the file to write. Per line it writes: a text
 * (empty, or what was wrong), then width, height, channels, the white of each channel, whether alpha is premultiplied,
 * whether the samples are inks, and all samples by rows as 16-bit numbers; integers big-endian.
 */
public final class MatrixReader {
    private MatrixReader() {}

    public static void main(String[] arguments) throws IOException {
        ImageIO.setUseCache(false);
        try (DataOutputStream out =
                new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(arguments[1]))))) {
            for (String line : Files.readAllLines(Path.of(arguments[0]))) {
                String[] parts = line.split("\t");
                read(parts[0], parts[1], new File(parts[2]), out);
            }
        }
    }

    private static void read(String family, String format, File file, DataOutputStream out) throws IOException {
        BufferedImage image = null;
        Raster raster = null;
        String wrong = "";
        try (ImageInputStream stream = ImageIO.createImageInputStream(file)) {
            ImageReader reader = find(family, format);
            reader.setInput(stream);
            try {
                image = reader.read(0);
                raster = image.getRaster();
            } catch (Exception error) {
                if (!reader.canReadRaster()) {
                    throw error;
                }
                raster = reader.readRaster(0, null);
            }
        } catch (Exception | Error error) {
            wrong = error.toString().split("\n")[0];
            raster = null;
        }
        out.writeUTF(raster == null && wrong.isEmpty() ? "nothing read" : wrong);
        if (raster == null) {
            return;
        }
        if (image != null && image.getColorModel() instanceof IndexColorModel) {
            writeColours(image, out);
        } else {
            boolean premultiplied = image != null && image.isAlphaPremultiplied();
            boolean inks = image == null || image.getColorModel().getColorSpace().getType() == ColorSpace.TYPE_CMYK;
            writeSamples(raster, premultiplied, inks && raster.getNumBands() == 4, out);
        }
    }

    private static ImageReader find(String family, String format) throws IOException {
        Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(format);
        while (readers.hasNext()) {
            ImageReader reader = readers.next();
            if (reader.getClass().getName().startsWith("com.twelvemonkeys") == family.equals("TwelveMonkeys")) {
                return reader;
            }
        }
        throw new IOException(family + " has no reader of " + format);
    }

    private static void writeColours(BufferedImage image, DataOutputStream out) throws IOException {
        int[] whites = {255, 255, 255, 255};
        writeHead(image.getWidth(), image.getHeight(), whites, false, false, out);
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                int argb = image.getRGB(x, y);
                for (int shift : new int[] {16, 8, 0, 24}) {
                    out.writeShort(argb >> shift & 255);
                }
            }
        }
    }

    private static void writeSamples(Raster raster, boolean premultiplied, boolean inks, DataOutputStream out)
            throws IOException {
        int[] whites = new int[raster.getNumBands()];
        for (int band = 0; band < whites.length; band++) {
            whites[band] = (1 << Math.min(16, raster.getSampleModel().getSampleSize(band))) - 1;
        }
        writeHead(raster.getWidth(), raster.getHeight(), whites, premultiplied, inks, out);
        for (int y = 0; y < raster.getHeight(); y++) {
            for (int x = 0; x < raster.getWidth(); x++) {
                for (int band = 0; band < whites.length; band++) {
                    out.writeShort(raster.getSample(raster.getMinX() + x, raster.getMinY() + y, band));
                }
            }
        }
    }

    private static void writeHead(
            int width, int height, int[] whites, boolean premultiplied, boolean inks, DataOutputStream out)
            throws IOException {
        out.writeInt(width);
        out.writeInt(height);
        out.writeInt(whites.length);
        for (int white : whites) {
            out.writeInt(white);
        }
        out.writeBoolean(premultiplied);
        out.writeBoolean(inks);
    }
}
