# SPDX-License-Identifier: MIT
# threads.rb - Ruby's threads: queues, sockets, mutexes, children, a thread that
# computes beside one that sleeps. What is printed is the same in every run.
require 'monitor'
require 'open3'
require 'socket'
require 'timeout'

def client(port, number)
  socket = TCPSocket.new('127.0.0.1', port)
  answers = (1..10).map do |i|
    socket.puts("#{number * i}")
    socket.gets.to_i
  end
  socket.close
  answers.sum
end

server = TCPServer.new('127.0.0.1', 0)
port = server.addr[1]
acceptor = Thread.new do
  loop do
    Thread.new(server.accept) do |socket|
      while (line = socket.gets)
        socket.puts(line.to_i + 1)
      end
      socket.close
    end
  end
end
sums = (1..200).map { |n| Thread.new { client(port, n) } }.map(&:value)
puts "200 clients: #{sums.sum} #{sums == (1..200).map { |n| n * 55 + 10 }}"
acceptor.kill.join
puts "acceptor alive: #{acceptor.alive?}"

queue = SizedQueue.new(3)
makers = (0...20).map { |n| Thread.new { 50.times { |i| queue << n * 50 + i } } }
takers = (0...10).map do
  Thread.new do
    total = 0
    while (item = queue.pop) != :end
      total += item
    end
    total
  end
end
makers.each(&:join)
10.times { queue << :end }
puts "queue: #{takers.sum(&:value)}"

mutex = Mutex.new
ready = ConditionVariable.new
turns = []
waiters = (0...50).map do |n|
  Thread.new do
    mutex.synchronize do
      ready.wait(mutex) until turns.length == n
      turns << n
      ready.broadcast
    end
  end
end
waiters.each(&:join)
puts "turns: #{turns == (0...50).to_a}"

ticks = 0
ticker = Thread.new { loop { sleep 0.002; ticks += 1 } }
sum = 0
300_000.times { |i| sum += i } while ticks < 5
ticker.kill
puts "a thread that computes lets others run: #{ticks >= 5}"

begin
  Timeout.timeout(0.05) { sleep }
rescue Timeout::Error
  puts 'timeout'
end
begin
  Thread.new { Thread.current.report_on_exception = false; raise 'oh' }.join
rescue RuntimeError => e
  puts "raised #{e.message}"
end
out, status = Open3.capture2('sh', '-c', 'cat; exit 3', stdin_data: 'given')
puts "child: #{out} #{status.exitstatus}"
pid = fork { Thread.new { exit! 5 }.join }
puts "fork: #{Process.wait2(pid)[1].exitstatus}"
caught = Queue.new
trap('USR1') { caught << :usr1 }
Process.kill('USR1', Process.pid)
puts "signal: #{caught.pop}"
puts "main: #{Thread.main == Thread.current}"
