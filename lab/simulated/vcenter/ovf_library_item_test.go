package main

import (
	"encoding/json"
	"net/http"
	"testing"
)

func TestAnItemTellsThePropertiesThatAUserMaySet(t *testing.T) {
	l := newLab(t)
	items := map[string]string{}
	libraries, err := l.v.vapi.libraries()
	l.check(err)
	for _, library := range libraries {
		for _, item := range library.Item {
			items[item.Name] = item.ID
		}
	}
	filter := func(item, pool string) (int, string) {
		target := map[string]any{"target": map[string]string{"resource_pool_id": pool}}
		return l.rest(http.MethodPost, "/api/vcenter/ovf/library-item/"+items[item]+"?action=filter", target)
	}
	l.want(http.StatusOK, `"id":"vgpu-license"`, `"id":"hostname"`)(filter("dlvm-9.0.1-simulated", l.v.rootPool.Value))
	l.want(http.StatusOK, `"properties":[]`)(filter("ubuntu-2204-amd64-v1.32.0---vmware.6-fips-vkr.2", l.v.rootPool.Value))
	l.want(http.StatusNotFound)(filter("dlvm-9.0.1-simulated", "resgroup-other"))
	l.want(http.StatusOK, l.v.rootPool.Value)(l.rest(http.MethodGet, "/api/vcenter/cluster/"+l.v.cluster.Value, nil))
}

func TestTheLibraryItemDeploys(t *testing.T) {
	l := newLab(t)
	_, text := l.rest(http.MethodPost, "/api/content/library/item?action=find", map[string]string{"name": "dlvm-9.0.1-simulated"})
	var ids []string
	l.check(json.Unmarshal([]byte(text), &ids))
	pool, err := l.finder().ResourcePool(l.context(), "pai-gpu/Resources/pai-workloads")
	l.check(err)
	l.want(http.StatusOK, `"succeeded":true`)(l.rest(http.MethodPost, "/rest/com/vmware/vcenter/ovf/library-item/id:"+ids[0]+"?~action=deploy", map[string]any{
		"deployment_spec": map[string]any{"name": "deployed", "annotation": "whose it is", "accept_all_EULA": true},
		"target":          map[string]string{"resource_pool_id": pool.Reference().Value},
	}))
	next := l.again()
	vm, err := next.finder().VirtualMachine(next.context(), "deployed")
	next.check(err)
	if p := next.properties(vm); p.Config.Firmware != "efi" || p.Config.Version != "vmx-21" || p.Config.Hardware.NumCPU != 8 {
		t.Errorf("%s %s %d CPUs", p.Config.Firmware, p.Config.Version, p.Config.Hardware.NumCPU)
	} else if p.Config.Annotation != "whose it is" {
		t.Errorf("annotation %q", p.Config.Annotation)
	}
}
