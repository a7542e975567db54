package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

func TestTheDirectoryKnowsItsDomains(t *testing.T) {
	l := newLab(t)
	search := func(domain, text string, exact, users bool) (string, error) {
		answer, err := methods.RetrieveUserGroups(l.context(), l.client, &types.RetrieveUserGroups{
			This:   *l.client.ServiceContent.UserDirectory,
			Domain: domain, SearchStr: text, ExactMatch: exact, FindUsers: users, FindGroups: !users,
		})
		if err != nil {
			return "", err
		}
		names := []string{}
		for _, found := range answer.Returnval {
			names = append(names, found.GetUserSearchResult().Principal)
		}
		return strings.Join(names, " "), nil
	}
	for _, test := range []struct {
		name, domain, text string
		exact, users       bool
		found              string
	}{
		{"a group", "lab.test", "MLOps-engineers", true, false, "mlops-engineers"},
		{"a part of a name", "lab.test", "mlops", true, false, ""},
		{"all groups", "LAB.TEST", "", false, false, "data-scientists mlops-engineers platform-engineers app-developers"},
		{"a user", "vsphere.local", "administrator", true, true, "Administrator"},
		{"a user is no group", "vsphere.local", "administrator", true, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if found, err := search(test.domain, test.text, test.exact, test.users); err != nil || found != test.found {
				t.Errorf("%q %v; wanted %q", found, err, test.found)
			}
		})
	}
	if _, err := search("lab.tset", "", false, false); err == nil {
		t.Error("a domain that there is not was searched")
	}
}

func TestTheSupervisorListsItsIdentityProviders(t *testing.T) {
	l := newLab(t)
	path := management + "/supervisors/" + l.v.site.Supervisor.ID + "/identity/providers"
	l.want(http.StatusOK, l.v.site.Identity.Providers[0].ID)(l.rest(http.MethodGet, path, nil))
	l.want(http.StatusNotFound)(l.rest(http.MethodGet, management+"/supervisors/other/identity/providers", nil))
}
