package network

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsPort = 53
	dnsTTL  = 60
	// ptrZone is where names of IPv4 addresses stand: RFC 1035, section 3.5.
	ptrZone = ".in-addr.arpa"
)

// resolve answers a DNS query (RFC 1035) about the machines' names, alone or in the
// domain, and about their addresses. Of names outside of both it knows nothing, and
// says so in such a way that a guest asks another server, if it has one.
func (s *Service) resolve(query []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil || head.Response {
		return nil
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{
		ID: head.ID, Response: true, OpCode: head.OpCode, RecursionDesired: head.RecursionDesired, RecursionAvailable: true,
	}}
	q, err := p.Question()
	switch {
	case head.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	case err != nil:
		reply.RCode = dnsmessage.RCodeFormatError
	default:
		reply.Questions = []dnsmessage.Question{q}
		reply.RCode, reply.Answers = s.records(q)
		reply.Authoritative = reply.RCode != dnsmessage.RCodeRefused
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// records returns the answers to a question.
func (s *Service) records(q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource) {
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: dnsTTL}
	if strings.HasSuffix(name, ptrZone) {
		return s.reverse(name, q, head)
	}
	addrs, ok := s.lookup(name)
	if !ok {
		if s.isOurs(name) {
			return dnsmessage.RCodeNameError, nil
		}
		return dnsmessage.RCodeRefused, nil
	}
	var list []dnsmessage.Resource
	if q.Type == dnsmessage.TypeA || q.Type == dnsmessage.TypeALL {
		for _, a := range addrs {
			list = append(list, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		}
	}
	return dnsmessage.RCodeSuccess, list // without a record for types that the name has none of
}

// lookup returns the addresses of a name, those on this network first.
func (s *Service) lookup(name string) ([]netip.Addr, bool) {
	addrs, ok := s.Names[name]
	if !ok && s.Domain != "" {
		if short, in := strings.CutSuffix(name, "."+strings.ToLower(s.Domain)); in {
			addrs, ok = s.Names[short]
		}
	}
	return first(addrs, s.Self.Masked().Contains), ok
}

// isOurs reports whether a name would be known here if it existed.
func (s *Service) isOurs(name string) bool {
	return !strings.Contains(name, ".") || s.Domain != "" && strings.HasSuffix(name, "."+strings.ToLower(s.Domain))
}

// reverse answers with the name of an address.
func (s *Service) reverse(name string, q dnsmessage.Question, head dnsmessage.ResourceHeader) (dnsmessage.RCode, []dnsmessage.Resource) {
	parts := strings.Split(strings.TrimSuffix(name, ptrZone), ".")
	slices.Reverse(parts)
	a, err := netip.ParseAddr(strings.Join(parts, "."))
	if err != nil {
		return dnsmessage.RCodeRefused, nil
	}
	for host, addrs := range s.Names {
		if !slices.Contains(addrs, a) {
			continue // an address has one name
		}
		if s.Domain != "" {
			host += "." + s.Domain
		}
		target, err := dnsmessage.NewName(host + ".")
		if err != nil || q.Type != dnsmessage.TypePTR && q.Type != dnsmessage.TypeALL {
			return dnsmessage.RCodeSuccess, nil
		}
		return dnsmessage.RCodeSuccess, []dnsmessage.Resource{{Header: head, Body: &dnsmessage.PTRResource{PTR: target}}}
	}
	return dnsmessage.RCodeNameError, nil
}
