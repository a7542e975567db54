package main

import (
	"context"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// runTask makes a task of work, as the simulator makes its own, but with the message of a fault in the task's error.
func runTask(ctx *simulator.Context, entity mo.Reference, name string, work func() (types.AnyType, *methodFault)) types.ManagedObjectReference {
	task := simulator.CreateTask(entity, name, nil)
	ref := ctx.Map.Put(task).Reference()
	ctx.Map.AtomicUpdate(ctx, task, []types.PropertyChange{
		{Name: "info.key", Val: ref.Value},
		{Name: "info.task", Val: ref},
		{Name: "info.startTime", Val: time.Now()},
		{Name: "info.state", Val: types.TaskInfoStateRunning},
	})
	// The caller's lock goes over to the task.
	unlock := ctx.Map.AcquireLock(ctx, task.Info.Entity)
	go func() {
		result, refused := work()
		unlock()
		changes := []types.PropertyChange{
			{Name: "info.completeTime", Val: time.Now()},
			{Name: "info.state", Val: types.TaskInfoStateSuccess},
			{Name: "info.result", Val: result},
		}
		if refused != nil {
			changes[1].Val = types.TaskInfoStateError
			changes = append(changes, types.PropertyChange{Name: "info.error", Val: types.LocalizedMethodFault{
				Fault: refused.fault, LocalizedMessage: refused.message,
			}})
		}
		ctx.Map.AtomicUpdate(ctx, task, changes)
	}()
	return ref
}

// awaitSimulatorTask waits for a task of the simulator inside one of run.
func awaitSimulatorTask(ctx *simulator.Context, ref types.ManagedObjectReference) (types.AnyType, *methodFault) {
	task := ctx.Map.Get(ref).(*simulator.Task)
	task.Wait()
	if task.Info.Error == nil {
		return task.Info.Result, nil
	}
	return nil, &methodFault{task.Info.Error.Fault, describeFault(task.Info.Error.Fault)}
}

func awaitTask(v *vcenter, start func(context.Context) (*object.Task, error)) error {
	task, err := start(v.background)
	if err != nil {
		return err
	}
	return task.Wait(v.background)
}

// taskResult waits for the object that a task makes.
func (v *vcenter) taskResult(task *object.Task, err error) (types.ManagedObjectReference, error) {
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	info, err := task.WaitForResult(v.background)
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	return info.Result.(types.ManagedObjectReference), nil
}
