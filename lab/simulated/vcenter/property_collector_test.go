package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// The waiters of one session share its default property collector. In govmomi's simulator the first one to look takes the
// updates of all the others.
func TestEveryWaiterOfOneSessionLearnsOfEveryChange(t *testing.T) {
	l := newLab(t)
	ctx, client := l.context(), l.client.Client
	pc := client.ServiceContent.PropertyCollector
	var tasks []types.ManagedObjectReference
	for range 2 {
		res, err := methods.CreateTask(ctx, client, &types.CreateTask{
			This: *client.ServiceContent.TaskManager, Obj: *l.host("esx-01.lab.test"), TaskTypeId: "com.vmware.govmomi.simulator.test",
		})
		l.check(err)
		task := res.Returnval.Task
		tasks = append(tasks, task)
		_, err = methods.CreateFilter(ctx, client, &types.CreateFilter{This: pc, Spec: types.PropertyFilterSpec{
			ObjectSet: []types.ObjectSpec{{Obj: task}}, PropSet: []types.PropertySpec{{Type: "Task", PathSet: []string{"info.state"}}},
		}})
		l.check(err)
	}
	wait := func(version string) *types.UpdateSet {
		seconds := int32(1)
		res, err := methods.WaitForUpdatesEx(ctx, client, &types.WaitForUpdatesEx{
			This: pc, Version: version, Options: &types.WaitOptions{MaxWaitSeconds: &seconds},
		})
		l.check(err)
		return res.Returnval
	}
	first, second := wait("").Version, wait("").Version
	for _, task := range tasks {
		_, err := methods.SetTaskState(ctx, client, &types.SetTaskState{This: task, State: types.TaskInfoStateSuccess})
		l.check(err)
	}
	for name, version := range map[string]string{"first": first, "second": second} {
		set := wait(version)
		if set == nil || len(set.FilterSet) != len(tasks) {
			t.Errorf("the %s waiter learned of %+v; wanted both tasks", name, set)
		}
	}
}

func TestTenClonesAndDeletionsAtOnceOnOneSession(t *testing.T) {
	l := newLab(t)
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			vm, err := l.clone(fmt.Sprintf("clone-%d", i), "")
			if err != nil {
				t.Error(err)
				return
			}
			task, err := vm.Destroy(l.context())
			if err == nil {
				err = task.WaitEx(l.context())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if vms := l.v.virtualMachines(); len(vms) != 1 {
		t.Errorf("%d VMs are left; wanted the template only", len(vms))
	}
}

func TestAWaitSeesAnObjectLeave(t *testing.T) {
	l := newLab(t)
	vm := l.mustClone("leaver", "")
	left := make(chan error, 1)
	entered := make(chan struct{}, 1)
	go func() {
		filter := new(property.WaitFilter).Add(vm.Reference(), "VirtualMachine", []string{"name"})
		left <- property.WaitForUpdates(l.context(), property.DefaultCollector(l.client.Client), filter, func(updates []types.ObjectUpdate) bool {
			if updates[0].Kind == types.ObjectUpdateKindEnter {
				entered <- struct{}{}
			}
			return updates[0].Kind == types.ObjectUpdateKindLeave
		})
	}()
	<-entered
	task, err := vm.Destroy(l.context())
	l.check(err)
	l.check(task.WaitEx(l.context()))
	l.check(<-left)
}

func TestAVersionThatWasNeverGivenIsRefused(t *testing.T) {
	l := newLab(t)
	_, err := methods.WaitForUpdatesEx(l.context(), l.client.Client, &types.WaitForUpdatesEx{
		This: l.client.Client.ServiceContent.PropertyCollector, Version: "1000000",
	})
	l.refused(err, "never given")
}
