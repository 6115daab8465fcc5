// SPDX-License-Identifier: Apache-2.0

// everyday.go - what Go programs do: goroutines, channels, maps, panics from
// faults, collected garbage, sockets on loopback.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strings"
)

type tree struct {
	left, right *tree
	value       int
}

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{value: 1}
	}
	return &tree{grow(depth - 1), grow(depth - 1), depth}
}

func (t *tree) sum() int {
	if t == nil {
		return 0
	}
	return t.value + t.left.sum() + t.right.sum()
}

func recovered() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	var t *tree
	return fmt.Sprint(t.value)
}

func served() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err.Error()
	}
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				data, _ := io.ReadAll(peer)
				fmt.Fprintf(peer, "%d bytes", len(data))
				peer.Close()
			}()
		}
	}()
	answers := make(chan string)
	for i := 1; i <= 5; i++ {
		go func(n int) {
			client, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				answers <- err.Error()
				return
			}
			client.Write(make([]byte, n*100000))
			client.(*net.TCPConn).CloseWrite()
			data, _ := io.ReadAll(client)
			answers <- string(data)
		}(i)
	}
	all := []string{}
	for i := 0; i < 5; i++ {
		all = append(all, <-answers)
	}
	sort.Strings(all)
	return strings.Join(all, ",")
}

func main() {
	fmt.Println(runtime.GOARCH)
	results := make(chan int)
	for i := 0; i < 10; i++ {
		go func() { results <- grow(12).sum() }()
	}
	total := 0
	for i := 0; i < 10; i++ {
		total += <-results
	}
	fmt.Println("trees", total)
	for i := 0; i < 30; i++ {
		grow(14)
	}
	runtime.GC()
	words := strings.Fields(strings.Repeat("the quick brown fox ", 1000))
	count := map[string]int{}
	for _, w := range words {
		count[w]++
	}
	names := []string{}
	for w := range count {
		names = append(names, fmt.Sprint(w, count[w]))
	}
	sort.Strings(names)
	fmt.Println(names)
	fmt.Printf("%x\n", sha256.Sum256([]byte(strings.Repeat("y", 100000))))
	fmt.Println(recovered())
	fmt.Println(served())
	out, err := exec.Command("sh", "-c", "echo $0 child").Output()
	fmt.Println(strings.TrimSpace(string(out)), err)
	fmt.Fprintln(os.Stdout, 1.0/3.0, float32(1)/3)
}
