// Go net/http: one goroutine reads, so many send.
// main URL FILE IN_FLIGHT (the first line is a header)
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
)

type answer struct {
	Status string `json:"status"`
}

func main() {
	url, path := os.Args[1]+"/1/delete/profiles.json", os.Args[2]
	inFlight, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, MaxConnsPerHost: inFlight}}
	bodies := make(chan []byte, inFlight)
	var done sync.WaitGroup
	for i := 0; i < inFlight; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for body := range bodies {
				request, _ := http.NewRequest("POST", url, bytes.NewReader(body))
				request.Header.Set("Content-Type", "application/json")
				request.Header.Set("X-CleverTap-Account-Id", "BENCH")
				request.Header.Set("X-CleverTap-Passcode", "bench")
				response, err := client.Do(request)
				if err != nil {
					log.Fatal(err)
				}
				text, _ := io.ReadAll(response.Body)
				response.Body.Close()
				var said answer
				if response.StatusCode != 200 || json.Unmarshal(text, &said) != nil || said.Status != "success" {
					log.Fatal("refused")
				}
			}
		}()
	}
	lines := bufio.NewScanner(file)
	lines.Scan()
	ids := make([]string, 0, 100)
	send := func() {
		if len(ids) > 0 {
			body, _ := json.Marshal(map[string][]string{"identity": ids})
			bodies <- body
			ids = ids[:0]
		}
	}
	for lines.Scan() {
		ids = append(ids, lines.Text())
		if len(ids) == 100 {
			send()
		}
	}
	send()
	close(bodies)
	done.Wait()
}
