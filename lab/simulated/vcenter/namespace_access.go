package main

import (
	"net/http"
	"slices"
	"strings"
)

type accessEntry struct {
	SubjectType      string `json:"subject_type"`
	Subject          string `json:"subject"`
	Domain           string `json:"domain"`
	Role             string `json:"role"`
	IdentityProvider string `json:"identity_provider,omitempty"`
}

func (w *wcp) checkAccess(entry accessEntry) *apiError {
	site := w.v.site.Identity
	switch {
	case entry.SubjectType != "USER" && entry.SubjectType != "GROUP":
		return invalidArgument("subject_type is %q; expected USER or GROUP.", entry.SubjectType)
	case entry.Role != "OWNER" && entry.Role != "EDIT" && entry.Role != "VIEW":
		return invalidArgument("role is %q; expected OWNER, EDIT or VIEW.", entry.Role)
	case entry.IdentityProvider != "" && !slices.Contains(w.v.providerIDs(), entry.IdentityProvider):
		return invalidArgument("There is no identity provider with the identifier %q.", entry.IdentityProvider)
	case entry.Domain == "vsphere.local" || entry.IdentityProvider != "":
		return nil
	case entry.Domain != site.Domain:
		return invalidArgument("There is no identity provider for the domain %q; the domains are vsphere.local and %s.", entry.Domain, site.Domain)
	case entry.SubjectType == "GROUP" && !slices.Contains(site.Groups, entry.Subject):
		return invalidArgument("There is no group %q in the domain %s; its groups are %s.", entry.Subject, site.Domain, list(site.Groups))
	}
	return nil
}

// accessOf reads subject and type of an access request.
func accessOf(r *http.Request) (accessEntry, *apiError) {
	entry := accessEntry{SubjectType: r.URL.Query().Get("type"), Subject: r.PathValue("subject"), Domain: r.PathValue("domain"), Role: "VIEW"}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		var body struct {
			Role             string `json:"role"`
			IdentityProvider string `json:"identity_provider"`
		}
		if problem := decode(r, &body); problem != nil {
			return entry, problem
		}
		entry.Role, entry.IdentityProvider = body.Role, body.IdentityProvider
	}
	return entry, nil
}

func (e accessEntry) samePrincipal(other accessEntry) bool {
	return e.SubjectType == other.SubjectType && e.IdentityProvider == other.IdentityProvider &&
		strings.EqualFold(e.Subject, other.Subject) && strings.EqualFold(e.Domain, other.Domain)
}

func (v *vcenter) changeAccess(r *http.Request, change func(ns *wcpNamespace, i int, entry accessEntry) *apiError) *apiError {
	entry, problem := accessOf(r)
	if problem == nil {
		problem = v.wcp.checkAccess(entry)
	}
	if problem != nil {
		return problem
	}
	return v.wcp.changeNamespace(r.PathValue("ns"), func(ns *wcpNamespace) *apiError {
		return change(ns, slices.IndexFunc(ns.AccessList, entry.samePrincipal), entry)
	})
}

func (v *vcenter) getAccess(r *http.Request) (any, *apiError) {
	entry, problem := accessOf(r)
	if problem != nil {
		return nil, problem
	}
	ns := v.wcp.namespace(r.PathValue("ns"))
	if ns == nil {
		return nil, notFound("There is no namespace %q.", r.PathValue("ns"))
	}
	if i := slices.IndexFunc(ns.AccessList, entry.samePrincipal); i >= 0 {
		return map[string]string{"role": ns.AccessList[i].Role}, nil
	}
	return nil, notFound("%s %s@%s has no access to namespace %q.", entry.SubjectType, entry.Subject, entry.Domain, ns.Name)
}

func (v *vcenter) createAccess(r *http.Request) (any, *apiError) {
	return nil, v.changeAccess(r, func(ns *wcpNamespace, i int, entry accessEntry) *apiError {
		if i >= 0 {
			return badRequest("ALREADY_EXISTS", "%s@%s has access to namespace %q already.", entry.Subject, entry.Domain, ns.Name)
		}
		ns.AccessList = append(ns.AccessList, entry)
		return nil
	})
}

func (v *vcenter) setAccess(r *http.Request) (any, *apiError) {
	return nil, v.changeAccess(r, func(ns *wcpNamespace, i int, entry accessEntry) *apiError {
		if i < 0 {
			return notFound("%s@%s has no access to namespace %q.", entry.Subject, entry.Domain, ns.Name)
		}
		ns.AccessList[i].Role = entry.Role
		return nil
	})
}

func (v *vcenter) deleteAccess(r *http.Request) (any, *apiError) {
	return nil, v.changeAccess(r, func(ns *wcpNamespace, i int, entry accessEntry) *apiError {
		if i < 0 {
			return notFound("%s@%s has no access to namespace %q.", entry.Subject, entry.Domain, ns.Name)
		}
		ns.AccessList = append(ns.AccessList[:i:i], ns.AccessList[i+1:]...)
		return nil
	})
}
