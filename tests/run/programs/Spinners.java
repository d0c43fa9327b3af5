// SPDX-License-Identifier: MIT
// Threads that spin, compute, make garbage, and overflow their stack: each of
// them never gives way by itself.
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Spinners {
    static volatile boolean isOver;

    static void spin() throws InterruptedException {
        List<Thread> spinners = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Thread t = new Thread(() -> {
                while (!isOver)
                    Thread.onSpinWait();
            });
            t.start();
            spinners.add(t);
        }
        for (int i = 0; i < 10; i++)
            Thread.sleep(1);
        isOver = true;
        for (Thread t : spinners)
            t.join();
        System.out.println("all over");
    }

    static double compute(int seed) {
        double x = seed;
        for (int i = 1; i < 100_000; i++)
            x = Math.sin(x) + 1.0 / i;
        return x;
    }

    static long litter(int seed) {
        long sum = 0;
        for (int i = 0; i < 5_000; i++)
            sum += new byte[500 + (i * seed) % 500].length;
        return sum;
    }

    static int dive(int depth) {
        return dive(depth + 1) + 1;
    }

    static String overflow() {
        try {
            return "no end at " + dive(0);
        } catch (StackOverflowError e) {
            return "overflow";
        }
    }

    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<?>> results = new ArrayList<>();

        spin();
        for (int i = 1; i <= 6; i++) {
            int seed = i;
            results.add(pool.submit(() -> compute(seed)));
            results.add(pool.submit(() -> litter(seed)));
        }
        results.add(pool.submit(Spinners::overflow));
        for (Future<?> r : results)
            System.out.println(r.get());
        pool.shutdown();
    }
}
