// SPDX-License-Identifier: MIT
// HelloServer - the JDK's HTTP server on a pool of threads, which says what
// port it has. usage: java HelloServer THREADS

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

public class HelloServer {
    public static void main(String[] args) throws Exception {
        byte[] text = "hello\n".getBytes();
        HttpServer server = HttpServer.create(
            new InetSocketAddress("127.0.0.1", 0), 1000);

        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        server.setExecutor(
            Executors.newFixedThreadPool(Integer.parseInt(args[0])));
        server.start();
        System.out.println("port " + server.getAddress().getPort());
    }
}
