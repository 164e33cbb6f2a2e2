// Package drain drains this machine before its maintenance and lets the maintenance begin.
package drain

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Event is one entry of Scheduled Events.
type Event struct {
	EventID     string `json:"EventId"`
	EventStatus string
	Resources   []string
}

var client = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Proxy: nil}}

func ask(method, url, body string) ([]byte, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Metadata", "true")
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: what is scheduled is unknown", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// Look asks once what is scheduled; call it again every second.
func Look(base string, drain func(Event) error) error {
	name, err := ask("GET", base+"/metadata/instance/compute/name?api-version=2021-02-01&format=text", "")
	if err != nil {
		return err
	}
	address := base + "/metadata/scheduledevents?api-version=2020-07-01"
	body, err := ask("GET", address, "")
	if err != nil {
		return err
	}
	var document struct{ Events []Event }
	if err := json.Unmarshal(body, &document); err != nil {
		return err
	}
	for _, event := range document.Events {
		if event.EventStatus != "Scheduled" || !slices.Contains(event.Resources, string(name)) {
			continue
		}
		if err := drain(event); err != nil {
			return err
		}
		if _, err := ask("POST", address, fmt.Sprintf(`{"StartRequests": [{"EventId": %q}]}`, event.EventID)); err != nil {
			return err
		}
	}
	return nil
}
