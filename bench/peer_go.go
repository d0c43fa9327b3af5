// SPDX-License-Identifier: MIT
// peer_go.go - the micro benches and the echo server in Go, by the names of
// bench_tendril. One processor (GOMAXPROCS=1), as tendril's hub is one thread.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const slices, times, yields = 10, 200000, 500000

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

// best runs a slice a few times and gives the least ns for each of n things.
func best(n int, slice func()) float64 {
	least := 1e9
	for i := 0; i < slices; i++ {
		begin := time.Now()
		slice()
		ns := float64(time.Since(begin).Nanoseconds()) / float64(n)
		if ns < least {
			least = ns
		}
	}
	return least
}

func printNs(value float64, more string) {
	fmt.Printf("{\"value\": %.3f, \"unit\": \"ns\"%s}\n", value, more)
}

func yield(n int) {
	over := false
	for i := 1; i < n; i++ {
		go func() {
			for !over {
				runtime.Gosched()
			}
		}()
	}
	runtime.Gosched()
	rounds := yields / n
	if rounds < 2 {
		rounds = 2
	}
	printNs(best(rounds*n, func() {
		for i := 0; i < rounds; i++ {
			runtime.Gosched()
		}
	}), "")
	over = true
}

func spawn() {
	ended := 0
	printNs(best(times, func() {
		for i := 0; i < times; i++ {
			go func() { ended++ }()
			runtime.Gosched()
		}
	}), "")
	runtime.Gosched()
	if ended != slices*times {
		fail("not all ended")
	}
}

func spawnJoin() {
	result := make(chan int)
	printNs(best(times, func() {
		for i := 0; i < times; i++ {
			go func() { result <- 7 }()
			if <-result != 7 {
				fail("the result is wrong")
			}
		}
	}), "")
}

// stream is ns for an item through a channel with so much room.
func stream(room int) float64 {
	c := make(chan uint64, room)
	go func() {
		for range c {
		}
	}()
	ns := best(times, func() {
		for i := 0; i < times; i++ {
			c <- uint64(i)
		}
	})
	close(c)
	return ns
}

func pingPong() float64 {
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	ns := best(times, func() {
		for i := 0; i < times; i++ {
			there <- uint64(i)
			<-back
		}
	})
	close(there)
	return ns
}

// status is a line of /proc/self/status in KiB.
func status(key string) int {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		fail(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == key+":" {
			n, _ := strconv.Atoi(words[1])
			return n
		}
	}
	return 0
}

func parked(n int) {
	before := status("VmRSS") + status("VmPTE")
	wake := time.Now().Add(time.Second + time.Duration(n)*20*time.Microsecond)
	nParked, ended := 0, 0
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			nParked++
			time.Sleep(time.Until(wake))
			ended++
			all.Done()
		}()
	}
	for nParked < n {
		runtime.Gosched()
	}
	after := status("VmRSS") + status("VmPTE")
	all.Wait()
	fmt.Printf("{\"value\": %.1f, \"unit\": \"B\", \"finished\": %d, "+
		"\"peak_rss_mib\": %d}\n",
		float64(after-before)*1024/float64(n), ended, status("VmHWM")/1024)
}

// next is splitmix64, the sequence of bench_random().
func next(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func sleepMany(n int) {
	var all sync.WaitGroup
	state := uint64(1)
	begin := time.Now()
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			time.Sleep(time.Duration(next(&state)%1000000) * time.Microsecond)
			all.Done()
		}()
	}
	all.Wait()
	wall := time.Since(begin)
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		fail(err)
	}
	cpu := time.Duration(use.Utime.Nano() + use.Stime.Nano())
	fmt.Printf("{\"value\": %.4f, \"unit\": \"CPU s\", \"wall_s\": %.3f, "+
		"\"peak_rss_mib\": %d}\n",
		cpu.Seconds(), wall.Seconds(), status("VmHWM")/1024)
}

func serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err = conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echo() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go serve(conn)
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	name := ""
	if len(os.Args) == 2 {
		name = os.Args[1]
	}
	kind, count, _ := strings.Cut(name, "_")
	n, _ := strconv.Atoi(count)
	switch {
	case name == "echo":
		echo()
	case name == "spawn":
		spawn()
	case name == "spawn_join":
		spawnJoin()
	case name == "channel":
		printNs(stream(0), fmt.Sprintf(
			", \"buffered_100_ns\": %.3f, \"ping_pong_ns\": %.3f",
			stream(100), pingPong()))
	case kind == "yield" && n > 0:
		yield(n)
	case kind == "parked" && n > 0:
		parked(n)
	case kind == "sleep" && n > 0:
		sleepMany(n)
	default:
		fmt.Fprintln(os.Stderr, "Go has no "+name)
		os.Exit(77)
	}
}
