package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	host  = "gallery.test:5443"
	robot = "robot$pais"
	word  = "right"
)

func testAuthorizer(t *testing.T) *authorizer {
	t.Helper()
	return newAuthorizer(testStore(t, t.TempDir()), accounts{robot: word}, "")
}

// request sends a request with credentials: "" for none, "Bearer …", or the password of the robot.
func request(g *authorizer, method, path, credentials, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	switch {
	case strings.HasPrefix(credentials, "Bearer "):
		request.Header.Set("Authorization", credentials)
	case credentials != "":
		request.SetBasicAuth(robot, credentials)
	}
	answer := httptest.NewRecorder()
	g.ServeHTTP(answer, request)
	return answer
}

func token(t *testing.T, g *authorizer, scope string) string {
	t.Helper()
	answer := request(g, http.MethodGet, tokenPath+"?service=harbor-registry&scope="+scope, word, "")
	var body struct{ Token string }
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || body.Token == "" {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	return "Bearer " + body.Token
}

func TestWhoSaysNothingIsSentToTheTokenService(t *testing.T) {
	g := testAuthorizer(t)
	for path, scope := range map[string]string{
		"/v2/":       "",
		llama + "v1": `,scope="repository:models/meta/llama-3.1-8b-instruct-simulated:pull"`,
	} {
		want := `Bearer realm="https://` + host + `/service/token",service="harbor-registry"` + scope
		answer := request(g, http.MethodGet, path, "", "")
		if got := answer.Header().Get("WWW-Authenticate"); answer.Code != http.StatusUnauthorized || got != want {
			t.Errorf("%s: status %d, challenge %q", path, answer.Code, got)
		}
	}
}

func TestATokenIsGoodForWhatItWasAskedForAndAsLongAsItSays(t *testing.T) {
	g := testAuthorizer(t)
	model := "models/meta/llama-3.1-8b-instruct-simulated"
	pull := token(t, g, "repository:"+model+":pull")
	if answer := request(g, http.MethodGet, llama+"v1", pull, ""); answer.Code != http.StatusOK {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
	for path, credentials := range map[string]string{
		"/v2/models/baai/bge-small-en-v1.5-simulated/manifests/v1": pull,
		llama + "v1": "Bearer made-up",
	} {
		if answer := request(g, http.MethodGet, path, credentials, ""); answer.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", path, answer.Code)
		}
	}
	if answer := request(g, http.MethodDelete, llama+"v1", pull, ""); answer.Code != http.StatusUnauthorized {
		t.Errorf("a token to pull deletes: status %d", answer.Code)
	}
	if answer := request(g, http.MethodDelete, llama+"v1", token(t, g, "repository:"+model+":pull,delete"), ""); answer.Code != http.StatusAccepted {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
	for name, each := range g.tokens {
		each.expires = time.Now().Add(-time.Second)
		g.tokens[name] = each
	}
	if answer := request(g, http.MethodGet, "/v2/", pull, ""); answer.Code != http.StatusUnauthorized {
		t.Errorf("an expired token: status %d", answer.Code)
	}
}

func TestALoginIsTakenAsItIsAndAWrongOneIsToldSo(t *testing.T) {
	g := testAuthorizer(t)
	for _, path := range []string{"/v2/", llama + "v1", tokenPath} {
		if answer := request(g, http.MethodGet, path, word, ""); answer.Code != http.StatusOK {
			t.Errorf("%s: status %d", path, answer.Code)
		}
		answer := request(g, http.MethodGet, path, "wrong", "")
		if got := answer.Header().Get("WWW-Authenticate"); answer.Code != http.StatusUnauthorized || !strings.HasPrefix(got, "Basic ") {
			t.Errorf("%s: status %d, challenge %q", path, answer.Code, got)
		}
	}
}

func TestAMissingProjectIsDeniedWhateverTheLogin(t *testing.T) {
	g := testAuthorizer(t)
	path := "/v2/pai/meta/llama/manifests/v1"
	for _, credentials := range []string{word, token(t, g, "repository:pai/meta/llama:pull")} {
		answer := request(g, http.MethodGet, path, credentials, "")
		if answer.Code != http.StatusUnauthorized || !strings.Contains(answer.Body.String(), "project pai not found") {
			t.Errorf("status %d: %s", answer.Code, answer.Body)
		}
	}
	if answer := request(g, http.MethodGet, "/v2/models/no/such/manifests/v1", word, ""); answer.Code != http.StatusNotFound {
		t.Errorf("a missing model of a project: status %d", answer.Code)
	}
}

func TestNobodyListsTheCatalog(t *testing.T) {
	if answer := request(testAuthorizer(t), http.MethodGet, "/v2/_catalog", word, ""); answer.Code != http.StatusUnauthorized {
		t.Errorf("status %d", answer.Code)
	}
}

func TestAProjectThatIsMadeStays(t *testing.T) {
	directory := t.TempDir()
	g := newAuthorizer(testStore(t, directory), accounts{robot: word}, "")
	for _, step := range []struct {
		credentials, body string
		status            int
	}{
		{"", `{"project_name": "pai"}`, http.StatusUnauthorized},
		{word, `{"project_name": "Not This"}`, http.StatusBadRequest},
		{word, `{"project_name": "pai"}`, http.StatusCreated},
		{word, `{"project_name": "pai"}`, http.StatusConflict},
	} {
		if answer := request(g, http.MethodPost, projectPath, step.credentials, step.body); answer.Code != step.status {
			t.Errorf("%s: status %d: %s", step.body, answer.Code, answer.Body)
		}
	}
	g = newAuthorizer(testStore(t, directory), accounts{robot: word}, "")
	if got := strings.TrimSpace(request(g, http.MethodGet, projectPath, word, "").Body.String()); got != `[{"name":"models"},{"name":"pai"}]` {
		t.Errorf("after the restart: %s", got)
	}
}

func TestAPasswordChangesWhileItServesAndTheOldOneIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords.json")
	h := newAuthorizer(testStore(t, t.TempDir()), accounts{"robot": "first"}, file)
	status := func(username, password string) int {
		request := httptest.NewRequest(http.MethodGet, "/v2/", nil)
		request.SetBasicAuth(username, password)
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		return answer.Code
	}
	for _, step := range []struct {
		file  string
		right map[string]string
		wrong map[string]string
	}{
		{`{"gallery": {"second": "other"}}`, map[string]string{"robot": "first", "second": "other"}, map[string]string{"second": "first"}},
		{`{"gallery": {"robot": "new"}}`, map[string]string{"robot": "new"}, map[string]string{"robot": "first", "second": "other"}},
		{`{"vcenter": {"robot": "no"}}`, map[string]string{"robot": "first"}, map[string]string{"robot": "no"}},
		{`half of a fi`, map[string]string{"robot": "first"}, map[string]string{"": ""}},
	} {
		if err := os.WriteFile(file, []byte(step.file), 0o600); err != nil {
			t.Fatal(err)
		}
		for username, password := range step.right {
			if got := status(username, password); got != http.StatusOK {
				t.Errorf("%s: %s with %s: status %d", step.file, username, password, got)
			}
		}
		for username, password := range step.wrong {
			if got := status(username, password); got != http.StatusUnauthorized {
				t.Errorf("%s: %s with %s: status %d", step.file, username, password, got)
			}
		}
	}
}

func TestWhoLogsInMayListTheRepositoriesOfAProject(t *testing.T) {
	g := testAuthorizer(t)
	if answer := request(g, http.MethodGet, projectPath+"/models/repositories", "", ""); answer.Code != http.StatusUnauthorized {
		t.Errorf("without a login: status %d", answer.Code)
	}
	if answer := request(g, http.MethodGet, projectPath+"/other/repositories", word, ""); answer.Code != http.StatusUnauthorized {
		t.Errorf("of no project: status %d", answer.Code)
	}
	answer := request(g, http.MethodGet, projectPath+"/models/repositories", word, "")
	if want := `{"name":"models/meta/llama-3.1-8b-instruct-simulated"}`; !strings.Contains(answer.Body.String(), want) {
		t.Errorf("status %d: %s; wanted %s", answer.Code, answer.Body, want)
	}
}
