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

// overriddenBy gives the accounts as the file changes them. A file that cannot be read changes none.
func (a accounts) overriddenBy(file string) accounts {
	var overrides struct{ Gallery accounts }
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &overrides) != nil {
		return a
	}
	for username, password := range a {
		if _, changed := overrides.Gallery[username]; !changed && overrides.Gallery != nil {
			overrides.Gallery[username] = password
		}
	}
	if overrides.Gallery == nil {
		return a
	}
	return overrides.Gallery
}

// authorizer asks who somebody is and lets through what they may, in the way of Harbor: a client that says nothing is sent to the
// token service, a login is taken as it is too, and a project that is not there is denied like one that may not be used.
// Every account may do everything in every project; nobody may list the catalog, which Harbor leaves to administrators.
type authorizer struct {
	store    *store
	accounts accounts
	file     string

	mu     sync.Mutex
	tokens map[string]grant
}

// grant is what a token is good for: "repository:NAME:ACTION" in each scope, and until when.
type grant struct {
	scopes  []string
	expires time.Time
}

func newAuthorizer(store *store, known accounts, file string) *authorizer {
	return &authorizer{store: store, accounts: known, file: file, tokens: map[string]grant{}}
}

// validBasicAuth tells whether a request has the login of an account.
func (g *authorizer) validBasicAuth(r *http.Request) bool {
	gotUser, gotPassword, hasBasicAuth := r.BasicAuth()
	right := 0
	// All are compared always, in constant time: the answer's delay says nothing about what was wrong.
	for username, password := range g.accounts.overriddenBy(g.file) {
		right |= subtle.ConstantTimeCompare([]byte(gotUser), []byte(username)) &
			subtle.ConstantTimeCompare([]byte(gotPassword), []byte(password))
	}
	return hasBasicAuth && right == 1
}

// tokenGrant is what the token of a request is good for, nil without a token that holds.
func (g *authorizer) tokenGrant(r *http.Request) *grant {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	defer g.mu.Unlock()
	found, known := g.tokens[token]
	if !isBearer || !known || time.Now().After(found.expires) {
		return nil
	}
	return &found
}

func (g *authorizer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repository, action := requiredScope(r)
	login, token := g.validBasicAuth(r), g.tokenGrant(r)
	scope := ""
	if repository != "" {
		scope = "repository:" + repository + ":" + action
	}
	switch {
	case r.URL.Path == tokenPath:
		g.issueToken(w, r, login)
	case r.URL.Path == projectPath:
		g.projects(w, r, login)
	case listPath.MatchString(r.URL.Path):
		g.repositories(w, r, login)
	case r.URL.Path == "/v2/_catalog":
		writeUnauthorized(w, basicRealm, "unauthorized to list catalog")
	case repository == "":
		if login || token != nil {
			g.store.ServeHTTP(w, r)
			return
		}
		writeUnauthorized(w, challenge(r, scope), "unauthorized")
	case r.Header.Get("Authorization") == "" && r.Method == http.MethodHead:
		writeUnauthorized(w, challenge(r, scope), "authorize header needed to send HEAD to repository")
	case !g.store.hasProject(project(repository)):
		writeUnauthorized(w, "", fmt.Sprintf("project %s not found", project(repository)))
	case login || token != nil && slices.Contains(token.scopes, scope):
		g.store.ServeHTTP(w, r)
	default:
		writeUnauthorized(w, challenge(r, scope), fmt.Sprintf("unauthorized to access repository: %s, action: %s", repository, action))
	}
}

var repositoryPath = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags|referrers)(?:/|$)`)

var listPath = regexp.MustCompile(`^` + projectPath + `/([^/]+)/repositories$`)

// repositories lists those of a project, by Harbor's own API.
func (g *authorizer) repositories(w http.ResponseWriter, r *http.Request, login bool) {
	name := listPath.FindStringSubmatch(r.URL.Path)[1]
	if !login || r.Method != http.MethodGet || !g.store.hasProject(name) {
		writeUnauthorized(w, "", fmt.Sprintf("unauthorized to list the repositories of project %s", name))
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
	writeJSON(w, http.StatusOK, found)
}

// requiredScope is the repository that a request is about, "" for none, and what it does there.
func requiredScope(r *http.Request) (repository, action string) {
	match := repositoryPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		return "", ""
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return match[1], "pull"
	case http.MethodDelete:
		return match[1], "delete"
	}
	return match[1], "push"
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

func writeUnauthorized(w http.ResponseWriter, challenge, message string) {
	w.Header().Set("WWW-Authenticate", challenge)
	writeJSON(w, http.StatusUnauthorized, map[string]any{"errors": []map[string]string{{"code": "UNAUTHORIZED", "message": message}}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// issueToken is the token service. A token for a project that is not there is issued too, and is good for nothing.
func (g *authorizer) issueToken(w http.ResponseWriter, r *http.Request, login bool) {
	if !login {
		writeUnauthorized(w, basicRealm, "user name and password of the gallery are needed")
		return
	}
	grant := grant{expires: time.Now().Add(tokenLife)}
	for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
		at := strings.LastIndex(scope, ":")
		for action := range strings.SplitSeq(scope[at+1:], ",") {
			grant.scopes = append(grant.scopes, scope[:at+1]+action)
		}
	}
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails
	g.mu.Lock()
	for old, each := range g.tokens {
		if time.Now().After(each.expires) {
			delete(g.tokens, old)
		}
	}
	g.tokens[hex.EncodeToString(token)] = grant
	g.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{
		"token": hex.EncodeToString(token), "expires_in": int(tokenLife.Seconds()), "issued_at": time.Now().UTC().Format(time.RFC3339),
	})
}

var projectName = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// projects lists the projects and makes one, in the form of Harbor's own REST API.
func (g *authorizer) projects(w http.ResponseWriter, r *http.Request, login bool) {
	switch {
	case !login:
		writeUnauthorized(w, "", "unauthorized")
	case r.Method == http.MethodGet:
		found := []map[string]string{}
		for _, name := range g.store.projectNames() {
			found = append(found, map[string]string{"name": name})
		}
		writeJSON(w, http.StatusOK, found)
	case r.Method == http.MethodPost:
		var request struct {
			Name string `json:"project_name"`
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || !projectName.MatchString(request.Name) {
			writeJSON(w, http.StatusBadRequest, errorBody("BAD_REQUEST", "project_name: expected lower-case letters, digits and . _ - between them"))
			return
		}
		created, err := g.store.addProject(request.Name)
		switch {
		case err != nil:
			writeJSON(w, http.StatusInternalServerError, errorBody("UNKNOWN", err.Error()))
		case !created:
			writeJSON(w, http.StatusConflict, errorBody("CONFLICT", fmt.Sprintf("The project named %s already exists", request.Name)))
		default:
			w.Header().Set("Location", projectPath+"/"+request.Name)
			w.WriteHeader(http.StatusCreated)
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func errorBody(code, message string) map[string]any {
	return map[string]any{"errors": []map[string]string{{"code": code, "message": message}}}
}
