package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	testUser     = "administrator@vsphere.local"
	testPassword = "a password"
	testToken    = "a token"
)

// lab is a vCenter behind a server, with a client that is logged in to SOAP and REST.
type lab struct {
	*testing.T
	v       *vcenter
	state   string
	server  *httptest.Server
	client  *govmomi.Client
	session string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return openLab(t, t.TempDir())
}

func openLab(t *testing.T, state string) *lab {
	t.Helper()
	site, err := loadInventory("inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	v, err := newVCenter(site, options{
		state: state, username: testUser, password: testPassword, token: testToken, faults: filepath.Join(state, "faults.json"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	var handler http.Handler
	l := &lab{T: t, v: v, state: state}
	l.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(l.server.Close)
	handler = v.handler(l.server.URL)
	l.client = l.login()
	l.session = l.restLogin()
	return l
}

func (l *lab) login() *govmomi.Client {
	l.Helper()
	target, err := url.Parse(l.server.URL + "/sdk")
	l.check(err)
	target.User = url.UserPassword(testUser, testPassword)
	client, err := govmomi.NewClient(l.context(), target, true)
	l.check(err)
	return client
}

func (l *lab) check(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// context ends a test that waits for what never comes.
func (l *lab) context() context.Context {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	l.Cleanup(stop)
	return ctx
}

func (l *lab) restLogin() string {
	l.Helper()
	request, err := http.NewRequestWithContext(l.context(), http.MethodPost, l.server.URL+"/api/session", nil)
	l.check(err)
	request.SetBasicAuth(testUser, testPassword)
	response, err := l.server.Client().Do(request)
	l.check(err)
	defer response.Body.Close()
	var id string
	l.check(json.NewDecoder(response.Body).Decode(&id))
	return id
}

// rest calls /api or /rest and returns status and body.
func (l *lab) rest(method, path string, body any) (int, string) {
	l.Helper()
	return l.request(method, path, body, sessionHeader, l.session)
}

// operator calls /lab/v1.
func (l *lab) operator(method, path string, body any) (int, string) {
	l.Helper()
	return l.request(method, "/lab/v1"+path, body, "X-Lab-Token", testToken)
}

func (l *lab) request(method, path string, body any, header, value string) (int, string) {
	l.Helper()
	text, err := json.Marshal(body)
	l.check(err)
	request, err := http.NewRequestWithContext(l.context(), method, l.server.URL+path, bytes.NewReader(text))
	l.check(err)
	request.Header.Set(header, value)
	request.Header.Set("Content-Type", "application/json")
	response, err := l.server.Client().Do(request)
	l.check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	l.check(err)
	return response.StatusCode, string(answer)
}

// want fails unless a call has this status and its answer contains the texts.
func (l *lab) want(status int, texts ...string) func(int, string) string {
	return func(got int, body string) string {
		l.Helper()
		if got != status {
			l.Fatalf("status %d, wanted %d: %s", got, status, body)
		}
		for _, text := range texts {
			if !strings.Contains(body, text) {
				l.Fatalf("answer lacks %q: %s", text, body)
			}
		}
		return body
	}
}

// refused fails unless an error contains the texts.
func (l *lab) refused(err error, texts ...string) {
	l.Helper()
	if err == nil {
		l.Fatalf("not refused; wanted an error with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			l.Fatalf("error lacks %q: %v", text, err)
		}
	}
}

func (l *lab) finder() *find.Finder {
	finder := find.NewFinder(l.client.Client, true)
	dc, err := finder.Datacenter(l.context(), "pai-dc")
	l.check(err)
	return finder.SetDatacenter(dc)
}

func (l *lab) host(name string) *types.ManagedObjectReference {
	l.Helper()
	host, err := l.finder().HostSystem(l.context(), "pai-gpu/"+name)
	l.check(err)
	ref := host.Reference()
	return &ref
}

// clone makes a VM of the template on a host, as the Terraform provider does: clone, then reconfigure.
func (l *lab) clone(name, host string) (*object.VirtualMachine, error) {
	l.Helper()
	ctx := l.context()
	finder := l.finder()
	template, err := finder.VirtualMachine(ctx, "dlvm-9.0.1-simulated-template")
	l.check(err)
	folder, err := finder.Folder(ctx, "pai")
	l.check(err)
	pool, err := finder.ResourcePool(ctx, "pai-gpu/Resources/pai-workloads")
	l.check(err)
	ref := pool.Reference()
	spec := types.VirtualMachineCloneSpec{Location: types.VirtualMachineRelocateSpec{Pool: &ref}}
	if host != "" {
		spec.Location.Host = l.host(host)
	}
	task, err := template.Clone(ctx, folder, name, spec)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResultEx(ctx)
	if err != nil {
		return nil, err
	}
	return object.NewVirtualMachine(l.client.Client, info.Result.(types.ManagedObjectReference)), nil
}

func (l *lab) mustClone(name, host string) *object.VirtualMachine {
	l.Helper()
	vm, err := l.clone(name, host)
	l.check(err)
	return vm
}

func (l *lab) reconfigure(vm *object.VirtualMachine, spec types.VirtualMachineConfigSpec) error {
	task, err := vm.Reconfigure(l.context(), spec)
	if err != nil {
		return err
	}
	return task.WaitEx(l.context())
}

func (l *lab) powerOn(vm *object.VirtualMachine) error {
	task, err := vm.PowerOn(l.context())
	if err != nil {
		return err
	}
	return task.WaitEx(l.context())
}

func (l *lab) properties(vm *object.VirtualMachine) mo.VirtualMachine {
	l.Helper()
	var properties mo.VirtualMachine
	l.check(vm.Properties(l.context(), vm.Reference(), nil, &properties))
	return properties
}

// fixed adds a PCI device by its address, with all memory reserved.
func fixed(addresses ...string) types.VirtualMachineConfigSpec {
	spec := reserved()
	for i, address := range addresses {
		spec.DeviceChange = append(spec.DeviceChange, added(int32(-1-i), &types.VirtualPCIPassthroughDeviceBackingInfo{Id: address}))
	}
	return spec
}

func vgpu(profile string) types.VirtualMachineConfigSpec {
	spec := reserved()
	spec.DeviceChange = append(spec.DeviceChange, added(-1, &types.VirtualPCIPassthroughVmiopBackingInfo{Vgpu: profile}))
	return spec
}

func reserved() types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{MemoryReservationLockedToMax: types.NewBool(true)}
}

func added(key int32, backing types.BaseVirtualDeviceBackingInfo) types.BaseVirtualDeviceConfigSpec {
	return &types.VirtualDeviceConfigSpec{
		Operation: types.VirtualDeviceConfigSpecOperationAdd,
		Device:    &types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{Key: key, Backing: backing}},
	}
}

// namespace makes a RUNNING namespace with a VM class.
func (l *lab) namespace(name string, classes ...string) {
	l.Helper()
	l.want(http.StatusNoContent)(l.rest(http.MethodPost, instances+"/v2", map[string]any{
		"namespace": name, "supervisor": l.v.site.Supervisor.ID, "vm_service_spec": map[string]any{"vm_classes": classes},
	}))
	l.running(name)
}

func (l *lab) running(name string) {
	l.Helper()
	l.want(http.StatusOK)(l.operator(http.MethodPost, "/wcp/namespaces/"+name, map[string]string{"config_status": "RUNNING"}))
}

func (l *lab) class(name string, devices map[string]any) {
	l.Helper()
	l.want(http.StatusNoContent)(l.rest(http.MethodPost, management+"/virtual-machine-classes", map[string]any{
		"id": name, "cpu_count": 8, "memory_MB": 65536, "memory_reservation": 100, "devices": devices,
	}))
}

func (l *lab) vm(owner, class string) (int, string) {
	l.Helper()
	return l.operator(http.MethodPost, "/vms", map[string]string{
		"name": owner, "namespace": "team", "class": class, "owner": owner, "role": "dlvm",
	})
}

func (l *lab) fault(text string) {
	l.Helper()
	l.check(os.WriteFile(filepath.Join(l.state, "faults.json"), []byte(text), 0o600))
}
