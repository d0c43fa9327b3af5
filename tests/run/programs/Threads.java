// SPDX-License-Identifier: MIT
// Threads.java - a virtual machine with threads: sockets, pools, garbage, locks,
// interrupts, children. What is printed is the same in every run.
import java.io.*;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;

public class Threads {
    static void sockets() throws Exception {
        ServerSocket server =
            new ServerSocket(0, 300, InetAddress.getLoopbackAddress());
        Thread acceptor = new Thread(() -> {
            try {
                for (;;) {
                    Socket s = server.accept();
                    new Thread(() -> answer(s)).start();
                }
            } catch (IOException closed) {
            }
        });
        acceptor.start();
        ExecutorService pool = Executors.newFixedThreadPool(200);
        List<Future<Integer>> all = new ArrayList<>();
        for (int n = 0; n < 200; n++) {
            int number = n;
            all.add(pool.submit(() -> ask(server.getLocalPort(), number)));
        }
        long sum = 0;
        for (Future<Integer> f : all)
            sum += f.get();
        server.close();
        acceptor.join();
        pool.shutdown();
        System.out.println("sockets " + sum + " "
            + pool.awaitTermination(10, TimeUnit.SECONDS));
    }

    static void answer(Socket s) {
        try (s; DataInputStream in = new DataInputStream(s.getInputStream());
             DataOutputStream out = new DataOutputStream(s.getOutputStream())) {
            for (;;)
                out.writeInt(in.readInt() + 1);
        } catch (IOException end) {
        }
    }

    static int ask(int port, int number) throws IOException {
        try (Socket s = new Socket(InetAddress.getLoopbackAddress(), port);
             DataInputStream in = new DataInputStream(s.getInputStream());
             DataOutputStream out = new DataOutputStream(s.getOutputStream())) {
            int sum = 0;
            for (int i = 0; i < 20; i++) {
                out.writeInt(number + i);
                sum += in.readInt();
            }
            return sum;
        }
    }

    static void garbage() throws Exception {
        AtomicLong bytes = new AtomicLong();
        Thread[] all = new Thread[50];
        for (int n = 0; n < all.length; n++) {
            all[n] = new Thread(() -> {
                List<byte[]> kept = new LinkedList<>();
                for (int i = 0; i < 400; i++) {
                    kept.add(new byte[10000]);
                    if (kept.size() > 10)
                        kept.remove(0);
                    bytes.addAndGet(10000);
                }
            });
            all[n].start();
        }
        for (Thread t : all)
            t.join();
        System.gc();
        System.out.println("garbage " + bytes.get());
    }

    static void locks() throws Exception {
        ReentrantLock lock = new ReentrantLock();
        Condition changed = lock.newCondition();
        int[] turn = {0};
        CyclicBarrier barrier = new CyclicBarrier(60);
        List<Thread> all = new ArrayList<>();
        for (int n = 0; n < 60; n++) {
            int mine = n;
            Thread t = new Thread(() -> {
                try {
                    barrier.await();
                    lock.lock();
                    while (turn[0] != mine)
                        changed.await();
                    turn[0]++;
                    changed.signalAll();
                    lock.unlock();
                    synchronized (all) {
                        all.wait(1);
                    }
                } catch (InterruptedException | BrokenBarrierException e) {
                    System.out.println(e);
                }
            });
            all.add(t);
            t.start();
        }
        for (Thread t : new ArrayList<>(all))
            t.join();
        System.out.println("turns " + turn[0]);
        long sum = new ForkJoinPool(8).invoke(new Sum(0, 100000));
        System.out.println("sum " + sum);
    }

    static class Sum extends RecursiveTask<Long> {
        final int from, to;
        Sum(int from, int to) {
            this.from = from;
            this.to = to;
        }
        protected Long compute() {
            if (to - from < 100) {
                long sum = 0;
                for (int i = from; i < to; i++)
                    sum += i;
                return sum;
            }
            Sum left = new Sum(from, (from + to) / 2);
            Sum right = new Sum((from + to) / 2, to);
            left.fork();
            return right.compute() + left.join();
        }
    }

    static void interrupts() throws Exception {
        Thread sleeper = new Thread(() -> {
            try {
                Thread.sleep(1000000);
            } catch (InterruptedException e) {
                System.out.println("interrupted");
            }
        });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
        AtomicBoolean stop = new AtomicBoolean();
        Thread spinner = new Thread(() -> {
            while (!stop.get())
                ;
        });
        spinner.start();
        Thread.sleep(20);
        stop.set(true);
        spinner.join();
        System.out.println("a thread that spins lets others run");
        ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
        CountDownLatch ticks = new CountDownLatch(5);
        timer.scheduleAtFixedRate(ticks::countDown, 1, 1,
                                  TimeUnit.MILLISECONDS);
        ticks.await();
        timer.shutdownNow();
        System.out.println("ticks " + ticks.getCount());
    }

    static void children() throws Exception {
        Process p = new ProcessBuilder("sh", "-c", "cat; exit 4").start();
        p.getOutputStream().write("given".getBytes());
        p.getOutputStream().close();
        String text = new String(p.getInputStream().readAllBytes());
        System.out.println("child " + text + " " + p.waitFor());
    }

    public static void main(String[] args) throws Exception {
        sockets();
        garbage();
        locks();
        interrupts();
        children();
        try {
            recurse(1);
        } catch (StackOverflowError e) {
            System.out.println("stack overflow is caught");
        }
        try {
            System.out.println(((Object) null).hashCode());
        } catch (NullPointerException e) {
            System.out.println("null pointer is caught");
        }
        System.exit(3);
    }

    static int recurse(int n) {
        return recurse(n + 1) + 1;
    }
}
