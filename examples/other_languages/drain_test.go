package drain

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// simulator starts one for the test and answers its address.
func simulator(t *testing.T) string {
	command := exec.Command("stormcone", "simulator", "azure", "--port", "0", "--json", "--machine", "db-0")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Signal(os.Interrupt); command.Wait() })
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready struct{ URL string }
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	return ready.URL
}

func TestDrainsBeforeAReboot(t *testing.T) {
	url := simulator(t)
	order := `{"impact": "reboot", "resources": ["db-0"], "notice_seconds": 900}`
	if _, err := http.Post(url+"/_simulator/events", "application/json", strings.NewReader(order)); err != nil {
		t.Fatal(err)
	}
	drained := 0
	if err := Look(url, func(Event) error { drained++; return nil }); err != nil {
		t.Fatal(err)
	}
	if drained != 1 {
		t.Errorf("drained %d times", drained)
	}
}
