package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"os"
)

// identity is what one side shows, and what it wants of the other: a chain to the CA, and a common name or a URI.
type identity struct {
	cert, key, ca     string
	peerName, peerURI string
	nameFlag, uriFlag string
}

func identityFlags(flags *flag.FlagSet, peer string) *identity {
	id := &identity{nameFlag: peer + "-cn", uriFlag: peer + "-uri-san"}
	flags.StringVar(&id.cert, "cert", "", "own certificate, PEM")
	flags.StringVar(&id.key, "key", "", "its key, PEM")
	flags.StringVar(&id.ca, "ca", "", "certificates of who may sign the other side's, PEM")
	flags.StringVar(&id.peerName, id.nameFlag, "", "common name the other side must have")
	flags.StringVar(&id.peerURI, id.uriFlag, "", "URI the other side must have; given both, either will do")
	return id
}

// config is nil if nothing is set: no TLS.
func (id *identity) config() (*tls.Config, error) {
	if id.cert+id.key+id.ca+id.peerName+id.peerURI == "" {
		return nil, nil
	}
	if id.cert == "" || id.key == "" || id.ca == "" || id.peerName+id.peerURI == "" {
		return nil, errors.New("TLS needs cert, key, ca, and " + id.nameFlag + " or " + id.uriFlag)
	}
	own, err := tls.LoadX509KeyPair(id.cert, id.key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(id.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New(id.ca + " has no certificate")
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       []tls.Certificate{own},
		ClientAuth:         tls.RequireAndVerifyClientCert,
		ClientCAs:          roots,
		RootCAs:            roots,
		InsecureSkipVerify: true, // of a client: no host name is looked at, and the chain is verified below
		VerifyPeerCertificate: func(certificates [][]byte, _ [][]*x509.Certificate) error {
			return id.verify(certificates, roots)
		},
	}, nil
}

func (id *identity) verify(certificates [][]byte, roots *x509.CertPool) error {
	if len(certificates) == 0 {
		return errors.New("the other side shows no certificate")
	}
	chain := make([]*x509.Certificate, 0, len(certificates))
	between := x509.NewCertPool()
	for _, raw := range certificates {
		certificate, err := x509.ParseCertificate(raw)
		if err != nil {
			return err
		}
		chain = append(chain, certificate)
		between.AddCert(certificate)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageAny} // the server's side has looked at it
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: usages}); err != nil {
		return err
	}
	if !id.named(chain[0]) {
		return errors.New("the other side's certificate has not the name required")
	}
	return nil
}

func (id *identity) named(leaf *x509.Certificate) bool {
	if id.peerName != "" && leaf.Subject.CommonName == id.peerName {
		return true
	}
	for _, uri := range leaf.URIs {
		if id.peerURI != "" && uri.String() == id.peerURI {
			return true
		}
	}
	return false
}
