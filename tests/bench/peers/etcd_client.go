// Load for etcd in its own client library, which the benchmarks start as a process: etcd's best figures are those of
// many goroutines over several connections of its Go client. Lines on standard output are its only answer.
//
//	etcd_client load  ENDPOINTS CLIENTS CONNECTIONS VALUE_BYTES SECONDS
//	    Each client puts the next key when the last put was answered. After a second of warming up, the line
//	    "load PUTS SECONDS P50_MS P99_MS ERRORS".
//	etcd_client trace ENDPOINTS CLIENTS TRY_MS PAUSE_MS
//	    Until SIGTERM each client puts, waits PAUSE_MS and puts again; a put that fails or takes more than TRY_MS is
//	    tried again at the next endpoint. Each acknowledged one is a line: nanoseconds of CLOCK_MONOTONIC. "ready"
//	    comes first, once every endpoint has acknowledged one.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io/ioutil"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc/grpclog"
)

func giveUp(why ...interface{}) {
	fmt.Fprintln(os.Stderr, why...)
	os.Exit(1)
}

func monotonicNanos() int64 {
	const clockMonotonic = 1
	var at syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&at)), 0)
	return at.Nano()
}

func connect(endpoint string) *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second})
	if err != nil {
		giveUp("connect", endpoint, err)
	}
	return client
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 {
		giveUp("not a number:", text)
	}
	return value
}

func load(endpoints []string, clients, connections, valueBytes, seconds int) {
	lines := make([]*clientv3.Client, connections)
	for i := range lines {
		lines[i] = connect(endpoints[i%len(endpoints)])
	}
	value := strings.Repeat("v", valueBytes)
	begin := time.Now().Add(time.Second)
	end := begin.Add(time.Duration(seconds) * time.Second)
	took := make([][]time.Duration, clients)
	failed := make([]int, clients)
	var running sync.WaitGroup
	for i := 0; i < clients; i++ {
		running.Add(1)
		go func(i int) {
			defer running.Done()
			line := lines[i%connections]
			for turn := 0; ; turn++ {
				sent := time.Now()
				if sent.After(end) {
					return
				}
				_, err := line.Put(context.Background(), fmt.Sprintf("row/%05d/%08d", i, turn), value)
				if err != nil {
					failed[i]++
				} else if sent.After(begin) {
					took[i] = append(took[i], time.Since(sent))
				}
			}
		}(i)
	}
	running.Wait()
	spent := time.Since(begin).Seconds()
	var all []time.Duration
	errors := 0
	for i := range took {
		all = append(all, took[i]...)
		errors += failed[i]
	}
	if len(all) == 0 {
		giveUp("no put was answered")
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	millis := func(share float64) float64 {
		return all[int(share*float64(len(all)-1))].Seconds() * 1e3
	}
	fmt.Printf("load %d %.3f %.4f %.4f %d\n", len(all), spent, millis(0.5), millis(0.99), errors)
}

func trace(endpoints []string, clients int, try, pause time.Duration) {
	lines := make([]*clientv3.Client, len(endpoints))
	for i := range lines {
		lines[i] = connect(endpoints[i])
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	put := func(line *clientv3.Client, key string) bool {
		ctx, cancel := context.WithTimeout(context.Background(), try)
		defer cancel()
		_, err := line.Put(ctx, key, "x")
		return err == nil
	}
	for _, line := range lines {
		for tries := 0; !put(line, "ready"); tries++ {
			if tries == 200 {
				giveUp("a member acknowledges nothing")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	var output sync.Mutex
	writer := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(writer, "ready")
	writer.Flush()
	for i := 0; i < clients; i++ {
		go func(i int) {
			for turn, at := 0, i; ; turn++ {
				for !put(lines[at%len(lines)], fmt.Sprintf("row/%05d/%08d", i, turn)) {
					at++
					time.Sleep(time.Millisecond)
				}
				acknowledged := monotonicNanos()
				output.Lock()
				fmt.Fprintln(writer, acknowledged)
				output.Unlock()
				time.Sleep(pause)
			}
		}(i)
	}
	<-stop
	output.Lock()
	writer.Flush()
}

func main() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(ioutil.Discard, ioutil.Discard, ioutil.Discard))
	arguments := os.Args[1:]
	switch {
	case len(arguments) == 6 && arguments[0] == "load":
		load(strings.Split(arguments[1], ","), number(arguments[2]), number(arguments[3]), number(arguments[4]),
			number(arguments[5]))
	case len(arguments) == 5 && arguments[0] == "trace":
		trace(strings.Split(arguments[1], ","), number(arguments[2]),
			time.Duration(number(arguments[3]))*time.Millisecond, time.Duration(number(arguments[4]))*time.Millisecond)
	default:
		giveUp("usage: etcd_client load|trace …; see the head of its source")
	}
}
