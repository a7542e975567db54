package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// vcenter is the simulation: govmomi's simulator with the lab's hosts, rules, memory and REST endpoints.
type vcenter struct {
	site       *inventory
	options    options
	background context.Context

	model    *simulator.Model
	service  *simulator.Service
	server   *simulator.Server // inner, without TLS: the simulated REST services call SOAP through it
	registry *simulator.Registry
	client   *vim25.Client // in process

	placement *placement
	persister *objectPersister
	records   *recordTable
	addresses *addressPool
	base      map[types.ManagedObjectReference]bool // objects made from the inventory file, the same at every start
	vapi      *vapiState
	policies  *policyManager
	wcp       *wcp
	faults    *faultFile
	former    string // fingerprint of the stored lab
	owned     *ownedVMs
	owners    keyedLocks
	folders   sync.Mutex

	datacenter, cluster, datastore, vmFolder, rootPool types.ManagedObjectReference
}

type options struct {
	state, username, password, token string
	faults, accounts                 string
	// guestDelay is how long a guest takes to report its address.
	guestDelay time.Duration
}

// newVCenter builds the site, restores what the state directory holds, or fills a new lab.
func newVCenter(site *inventory, opts options) (*vcenter, error) {
	v := &vcenter{
		site: site, options: opts, background: context.Background(),
		placement: &placement{allocations: map[string]*allocation{}},
		records:   &recordTable{records: map[string]vmRecord{}},
		addresses: newAddressPool(),
		owned:     &ownedVMs{byOwner: map[string]*ownedVM{}},
		base:      map[types.ManagedObjectReference]bool{},
		faults:    &faultFile{path: opts.faults},
	}
	state, err := openStore(opts.state)
	if err != nil {
		return nil, err
	}
	fresh, err := v.claimState(state)
	if err != nil {
		return nil, err
	}
	objects, err := openStore(filepath.Join(opts.state, "objects"))
	if err != nil {
		return nil, err
	}
	v.persister = &objectPersister{v: v, store: objects, dirty: map[types.ManagedObjectReference]bool{}}
	if err := v.start(state); err != nil {
		v.close()
		return nil, err
	}
	if err := v.restore(fresh); err != nil {
		v.close()
		return nil, err
	}
	v.registry.Handler = v.intercept
	if fresh {
		err = errors.Join(v.seed(), v.flush(), state.write("inventory", []byte(v.fingerprint())))
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// claimState tells whether the state directory is new. What an interrupted first start left is cleared away.
func (v *vcenter) claimState(state *store) (fresh bool, err error) {
	found, err := state.read("inventory")
	if err != nil {
		return false, err
	}
	if found == nil {
		for _, name := range []string{"objects", "datastore", "wcp.json", "vapi.json", "policies.xml"} {
			if err := os.RemoveAll(filepath.Join(state.directory, name)); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	v.former = string(found)
	return false, nil
}

// fingerprint changes when the objects that stored VMs refer to would get other ids or GPUs.
func (v *vcenter) fingerprint() string {
	var lines []string
	for ref := range v.base {
		name := ""
		if entity, ok := v.registry.Get(ref).(mo.Entity); ok {
			name = entity.Entity().Name
		}
		lines = append(lines, ref.String()+" "+name)
	}
	for _, h := range v.placement.hosts {
		for _, g := range h.gpus {
			lines = append(lines, h.name+" "+g.address+" "+g.describe()+" "+g.model.Use)
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// start runs the simulator with the site's hosts, networks and datastore, in the same order at every start: object ids depend on it.
func (v *vcenter) start(state *store) error {
	v.model = simulator.VPX()
	v.model.Datacenter, v.model.Host, v.model.Cluster, v.model.Machine, v.model.Datastore = 0, 0, 0, 0, 0
	about := &v.model.ServiceContent.About
	about.Version, about.ApiVersion = v.site.Version, v.site.Version+".0"
	about.Build = "1" // numeric, since clients parse it
	about.FullName = fmt.Sprintf("VMware vCenter Server %s (simulated)", v.site.Version)
	about.LicenseProductVersion = v.site.Version
	id, err := v.instanceID(state)
	if err != nil {
		return err
	}
	about.InstanceUuid = id
	if err := v.model.Create(); err != nil {
		return err
	}
	v.service, v.registry = v.model.Service, v.model.Map()
	v.registry.SessionManager().ValidLogin = v.validLogin
	v.registry.AddHandler(v.persister)
	v.registry.Put(newPropertyCollector(v.model.ServiceContent.PropertyCollector))
	v.registry.Put(newDirectory(v))
	v.service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(v.options.username, v.options.password)}
	v.service.RegisterSDK(v.policySDK())
	v.server = v.service.NewServer()
	patterns, handler := vapi.New(v.service.Listen, v.registry)
	for _, pattern := range patterns {
		v.service.Handle(pattern, handler)
	}
	if v.client, err = vim25.NewClient(v.background, v.service); err != nil {
		return err
	}
	if err := v.build(); err != nil {
		return err
	}
	for _, entity := range v.registry.All("") {
		v.base[entity.Reference()] = true
	}
	if v.former != "" && v.former != v.fingerprint() {
		return fmt.Errorf("the simulated site differs from that of the lab stored in %s: "+
			"go back to the former inventory.yaml, or start a new lab with `./paif lab reset`", v.options.state)
	}
	v.vapi = &vapiState{handler: handler, store: state}
	v.policies.store = state
	v.wcp, err = openWCP(v, state)
	return err
}

func (v *vcenter) exists(ref types.ManagedObjectReference) bool { return v.registry.Get(ref) != nil }

func (v *vcenter) instanceID(state *store) (string, error) {
	found, err := state.read("instance")
	if err != nil || found != nil {
		return string(found), err
	}
	id := uuid.NewString()
	return id, state.write("instance", []byte(id))
}

func (v *vcenter) restore(fresh bool) error {
	if !fresh {
		if err := errors.Join(v.persister.restore(), v.vapi.restore(v.exists), v.policies.restore()); err != nil {
			return err
		}
		if err := v.sweep(); err != nil {
			return err
		}
	}
	for _, h := range v.placement.hosts {
		v.updateGraphicsInfo(v.context(), h.name)
	}
	clear(v.persister.dirty)
	v.persister.started = true
	return nil
}

// flush makes everything durable that has changed.
func (v *vcenter) flush() error {
	changed, err := v.vapi.flush()
	if changed {
		v.wcp.notifyChanged()
	}
	return errors.Join(err, v.persister.flush(), v.policies.flush(), v.wcp.flush())
}

func (v *vcenter) close() {
	if v.server != nil {
		v.server.Close()
	}
	if v.model != nil {
		v.model.Remove()
	}
}

// context is for calls into simulator objects on nobody's behalf.
func (v *vcenter) context() *simulator.Context {
	return &simulator.Context{Context: v.background, Session: &simulator.Session{
		UserSession: types.UserSession{Key: "lab", UserName: v.options.username}, Registry: simulator.NewRegistry(), Map: v.registry,
	}, Map: v.registry}
}

// serviceHandler is the simulator with SOAP, storage policies and the older REST services.
func (v *vcenter) serviceHandler() http.Handler { return v.service.ServeMux }

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// firstMatch is nil when none is it.
func firstMatch[T any](of []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(of, is); i >= 0 {
		return of[i]
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
