// SPDX-License-Identifier: Apache-2.0

import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Everyday.java - what Java programs do; null pointers are found by a fault's handler. */
public class Everyday {
	static int hot(int n) {
		int x = 1;
		double d = 0;
		for (int i = 0; i < n; i++) {
			d += Math.sqrt(i);
			x = x * 1103515245 + 12345 + (int) d % 7;
		}
		return x;
	}

	static int caught(int n) {
		int count = 0;
		for (int i = 0; i < n; i++) {
			String s = i % 3 == 0 ? null : "s";
			try {
				count += s.length();
			} catch (NullPointerException e) {
				count += 100;
			}
		}
		return count;
	}

	static long garbage() {
		long total = 0;
		for (int i = 0; i < 200; i++) {
			List<byte[]> list = new ArrayList<>();
			for (int j = 0; j < 20; j++)
				list.add(new byte[10000 + j]);
			total += list.stream().mapToInt(b -> b.length).sum();
		}
		System.gc();
		return total;
	}

	static String echoed() throws Exception {
		try (ServerSocket server = new ServerSocket(0)) {
			Thread thread = new Thread(() -> {
				try (Socket peer = server.accept()) {
					peer.getOutputStream().write(peer.getInputStream().readNBytes(5));
				} catch (Exception e) {
					System.out.println(e);
				}
			});
			thread.start();
			try (Socket client = new Socket("127.0.0.1", server.getLocalPort())) {
				client.getOutputStream().write("hello".getBytes());
				String text = new String(client.getInputStream().readAllBytes());
				thread.join();
				return text;
			}
		}
	}

	public static void main(String[] args) throws Exception {
		System.out.println("arch " + System.getProperty("os.arch"));
		System.out.println("hot " + hot(300000));
		System.out.println("caught " + caught(30000));
		System.out.println("garbage " + garbage());
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Callable<Integer>> jobs = new ArrayList<>();
		for (int i = 1; i <= 4; i++) {
			int n = i * 1000;
			jobs.add(() -> hot(n));
		}
		long sum = 0;
		for (var future : pool.invokeAll(jobs))
			sum += future.get();
		pool.shutdown();
		System.out.println("threads " + sum);
		Map<Integer, Long> groups = IntStream.rangeClosed(1, 1000).boxed()
			.collect(Collectors.groupingBy(i -> i % 4, TreeMap::new, Collectors.counting()));
		System.out.println("groups " + groups);
		System.out.println("echo " + echoed());
		System.out.println(String.format("format %.3f %08x", Math.PI, -559038737));
	}
}
