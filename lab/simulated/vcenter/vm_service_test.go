package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestAnOperatorGetsTheSameVMAgain(t *testing.T) {
	l := newLab(t)
	l.namespace("team", "best-effort-small")
	var group sync.WaitGroup
	answers := make([]string, 4)
	for i := range answers {
		group.Go(func() { _, answers[i] = l.vm("one", "best-effort-small") })
	}
	group.Wait()
	for _, answer := range answers {
		if answer != answers[0] || !strings.Contains(answer, `"ip":"198.18.0.10"`) {
			t.Errorf("answers: %v", answers)
		}
	}
	if n := len(l.v.virtualMachines()); n != 2 {
		t.Errorf("%d VMs; wanted one and the template", n)
	}
	vm, err := l.finder().VirtualMachine(l.context(), "Namespaces/team/one")
	l.check(err)
	if l.properties(vm).Runtime.PowerState != "poweredOn" {
		t.Error("the VM is not powered on")
	}
	l.want(http.StatusNoContent)(l.operator(http.MethodDelete, "/vms/one", nil))
	l.want(http.StatusNoContent)(l.operator(http.MethodDelete, "/vms/one", nil))
}

func TestAVMNeedsAClassOfItsNamespace(t *testing.T) {
	l := newLab(t)
	l.want(http.StatusNotFound, "NamespaceNotFound")(l.vm("one", "best-effort-small"))
	l.namespace("team", "best-effort-small")
	l.want(http.StatusConflict, "ClassNotInNamespace", "best-effort-small")(l.vm("one", "best-effort-large"))
	l.want(http.StatusConflict, "ClassNotFound")(l.vm("one", "none"))
}

func TestARemovedNamespaceLeavesNothingInTheInventory(t *testing.T) {
	l := newLab(t)
	l.namespace("team", "best-effort-small")
	l.want(http.StatusCreated)(l.vm("one", "best-effort-small"))
	l.want(http.StatusNoContent)(l.rest(http.MethodDelete, instances+"/team", nil))
	l.want(http.StatusOK)(l.operator(http.MethodPost, "/wcp/namespaces/team", map[string]bool{"gone": true}))
	if n := len(l.v.virtualMachines()); n != 1 {
		t.Errorf("%d VMs; wanted the template", n)
	}
	if folders, err := l.finder().FolderList(l.context(), "Namespaces/team"); err == nil {
		t.Errorf("folders: %v", folders)
	}
	if n := len(l.v.owned.all()); n != 0 {
		t.Errorf("%d VMs are still owned", n)
	}
}
