package main

import (
	"net/http"
	"testing"

	"github.com/vmware/govmomi/object"
)

func TestHostsShowTheirGPUs(t *testing.T) {
	l := newLab(t)
	ctx := l.context()
	cluster, err := l.finder().ClusterComputeResource(ctx, "pai-gpu")
	l.check(err)
	browser, err := cluster.EnvironmentBrowser(ctx)
	l.check(err)
	target, err := browser.QueryConfigTarget(ctx, object.NewHostSystem(l.client.Client, *l.host("esx-05.lab.test")))
	l.check(err)
	if n := len(target.PciPassthrough); n != 8 || target.PciPassthrough[0].GetVirtualMachinePciPassthroughInfo().SystemId == "" {
		t.Errorf("%d devices, first %+v", n, target.PciPassthrough[0])
	}
	l.class("a40", map[string]any{"vgpu_devices": []any{map[string]string{"profile_name": "grid_a100-40c"}}})
	l.namespace("team", "a40")
	l.want(http.StatusCreated)(l.vm("user", "a40"))
	if users := l.v.placement.users("esx-01.lab.test")["0000:17:00.0"]; len(users) != 1 {
		t.Errorf("users of the GPU: %v", users)
	}
}
