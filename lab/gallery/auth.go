package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tokenPath   = "/service/token"
	projectPath = "/api/v2.0/projects"
	tokenLife   = 30 * time.Minute
	basicRealm  = `Basic realm="paif lab model gallery (simulation)"`
)

// accounts are passwords by user name.
type accounts map[string]string

// with gives the accounts as the file changes them. A file that cannot be read changes none.
func (a accounts) with(file string) accounts {
	var found struct{ Gallery accounts }
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &found) != nil {
		return a
	}
	for username, password := range a {
		if _, changed := found.Gallery[username]; !changed && found.Gallery != nil {
			found.Gallery[username] = password
		}
	}
	if found.Gallery == nil {
		return a
	}
	return found.Gallery
}

// gate asks who somebody is and lets through what they may, in the way of Harbor: a client that says nothing is sent to the
// token service, a login is taken as it is too, and a project that is not there is denied like one that may not be used.
// Every account may do everything in every project; nobody may list the catalogue, which Harbor leaves to administrators.
type gate struct {
	store *store
	known accounts
	file  string

	mu     sync.Mutex
	tokens map[string]grant
}

// grant is what a token is good for: "repository:NAME:ACTION" in each scope, and until when.
type grant struct {
	scopes []string
	ends   time.Time
}

func newGate(store *store, known accounts, file string) *gate {
	return &gate{store: store, known: known, file: file, tokens: map[string]grant{}}
}

// basic tells whether a request has the login of an account.
func (g *gate) basic(r *http.Request) bool {
	gotUser, gotPassword, given := r.BasicAuth()
	right := 0
	// All are compared always, in constant time: the answer's delay says nothing about what was wrong.
	for username, password := range g.known.with(g.file) {
		right |= subtle.ConstantTimeCompare([]byte(gotUser), []byte(username)) &
			subtle.ConstantTimeCompare([]byte(gotPassword), []byte(password))
	}
	return given && right == 1
}

// granted is what the token of a request is good for, nil without a token that holds.
func (g *gate) granted(r *http.Request) *grant {
	token, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	defer g.mu.Unlock()
	found, known := g.tokens[token]
	if !given || !known || time.Now().After(found.ends) {
		return nil
	}
	return &found
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repository, action := needed(r)
	login, token := g.basic(r), g.granted(r)
	scope := ""
	if repository != "" {
		scope = "repository:" + repository + ":" + action
	}
	switch {
	case r.URL.Path == tokenPath:
		g.issue(w, r, login)
	case r.URL.Path == projectPath:
		g.projects(w, r, login)
	case listPath.MatchString(r.URL.Path):
		g.repositories(w, r, login)
	case r.URL.Path == "/v2/_catalog":
		deny(w, basicRealm, "unauthorized to list catalog")
	case repository == "":
		if login || token != nil {
			g.store.ServeHTTP(w, r)
			return
		}
		deny(w, challenge(r, scope), "unauthorized")
	case r.Header.Get("Authorization") == "" && r.Method == http.MethodHead:
		deny(w, challenge(r, scope), "authorize header needed to send HEAD to repository")
	case !g.store.hasProject(project(repository)):
		deny(w, "", fmt.Sprintf("project %s not found", project(repository)))
	case login || token != nil && slices.Contains(token.scopes, scope):
		g.store.ServeHTTP(w, r)
	default:
		deny(w, challenge(r, scope), fmt.Sprintf("unauthorized to access repository: %s, action: %s", repository, action))
	}
}

var repositoryPath = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags|referrers)(?:/|$)`)

var listPath = regexp.MustCompile(`^` + projectPath + `/([^/]+)/repositories$`)

// repositories lists those of a project, by Harbor's own API.
func (g *gate) repositories(w http.ResponseWriter, r *http.Request, login bool) {
	name := listPath.FindStringSubmatch(r.URL.Path)[1]
	if !login || r.Method != http.MethodGet || !g.store.hasProject(name) {
		deny(w, "", fmt.Sprintf("unauthorized to list the repositories of project %s", name))
		return
	}
	var all struct{ Repositories []string }
	_ = json.Unmarshal(g.store.call(http.MethodGet, "/v2/_catalog", "", nil).Body.Bytes(), &all)
	found := []map[string]string{}
	for _, repository := range all.Repositories {
		if project(repository) == name {
			found = append(found, map[string]string{"name": repository})
		}
	}
	tell(w, http.StatusOK, found)
}

// needed is the repository that a request is about, "" for none, and what it does there.
func needed(r *http.Request) (repository, action string) {
	found := repositoryPath.FindStringSubmatch(r.URL.Path)
	if found == nil {
		return "", ""
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return found[1], "pull"
	case http.MethodDelete:
		return found[1], "delete"
	}
	return found[1], "push"
}

func project(repository string) string {
	name, _, _ := strings.Cut(repository, "/")
	return name
}

// challenge tells a client where to go; one that has tried a login is told that it was wrong.
func challenge(r *http.Request, scope string) string {
	if strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") {
		return basicRealm
	}
	to := fmt.Sprintf(`Bearer realm="https://%s%s",service="harbor-registry"`, r.Host, tokenPath)
	if scope != "" {
		to += fmt.Sprintf(`,scope="%s"`, scope)
	}
	return to
}

func deny(w http.ResponseWriter, challenge, message string) {
	w.Header().Set("WWW-Authenticate", challenge)
	tell(w, http.StatusUnauthorized, map[string]any{"errors": []map[string]string{{"code": "UNAUTHORIZED", "message": message}}})
}

func tell(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// issue is the token service. A token for a project that is not there is issued too, and is good for nothing.
func (g *gate) issue(w http.ResponseWriter, r *http.Request, login bool) {
	if !login {
		deny(w, basicRealm, "user name and password of the gallery are needed")
		return
	}
	grant := grant{ends: time.Now().Add(tokenLife)}
	for _, asked := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
		at := strings.LastIndex(asked, ":")
		for action := range strings.SplitSeq(asked[at+1:], ",") {
			grant.scopes = append(grant.scopes, asked[:at+1]+action)
		}
	}
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails
	g.mu.Lock()
	for old, each := range g.tokens {
		if time.Now().After(each.ends) {
			delete(g.tokens, old)
		}
	}
	g.tokens[hex.EncodeToString(token)] = grant
	g.mu.Unlock()
	tell(w, http.StatusOK, map[string]any{
		"token": hex.EncodeToString(token), "expires_in": int(tokenLife.Seconds()), "issued_at": time.Now().UTC().Format(time.RFC3339),
	})
}

var projectName = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// projects lists the projects and makes one, in the form of Harbor's own REST API.
func (g *gate) projects(w http.ResponseWriter, r *http.Request, login bool) {
	switch {
	case !login:
		deny(w, "", "unauthorized")
	case r.Method == http.MethodGet:
		found := []map[string]string{}
		for _, name := range g.store.projectNames() {
			found = append(found, map[string]string{"name": name})
		}
		tell(w, http.StatusOK, found)
	case r.Method == http.MethodPost:
		var asked struct {
			Name string `json:"project_name"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || !projectName.MatchString(asked.Name) {
			tell(w, http.StatusBadRequest, problem("BAD_REQUEST", "project_name: expected lower-case letters, digits and . _ - between them"))
			return
		}
		made, err := g.store.addProject(asked.Name)
		switch {
		case err != nil:
			tell(w, http.StatusInternalServerError, problem("UNKNOWN", err.Error()))
		case !made:
			tell(w, http.StatusConflict, problem("CONFLICT", fmt.Sprintf("The project named %s already exists", asked.Name)))
		default:
			w.Header().Set("Location", projectPath+"/"+asked.Name)
			w.WriteHeader(http.StatusCreated)
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func problem(code, message string) map[string]any {
	return map[string]any{"errors": []map[string]string{{"code": code, "message": message}}}
}
