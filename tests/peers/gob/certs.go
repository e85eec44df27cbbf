package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// certificate is one with its key, and who signs others with it.
type certificate struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// runCerts writes ca.crt, and NAME.crt and NAME.key of a server, a client, and a client somebody else has signed.
func runCerts(flags *flag.FlagSet, arguments []string) error {
	serverName := flags.String("server-cn", "typha-server", "common name of the server")
	serverURI := flags.String("server-uri-san", "spiffe://test/typha", "URI of the server")
	clientName := flags.String("client-cn", "typha-client", "common name of the clients")
	clientURI := flags.String("client-uri-san", "spiffe://test/felix", "URI of the clients")
	flags.Parse(arguments)
	folder := flags.Arg(0)
	if folder == "" {
		return errors.New("into which folder?")
	}
	ca, err := issue("ca", "", nil)
	if err != nil {
		return err
	}
	stranger, err := issue("another ca", "", nil)
	if err != nil {
		return err
	}
	if err := errors.Join(ca.write(folder, "ca"), stranger.write(folder, "other-ca")); err != nil {
		return err
	}
	for _, one := range []struct {
		file, name, uri string
		signer          *certificate
	}{
		{"server", *serverName, *serverURI, ca},
		{"client", *clientName, *clientURI, ca},
		{"stranger", *clientName, *clientURI, stranger},
	} {
		leaf, err := issue(one.name, one.uri, one.signer)
		if err != nil {
			return err
		}
		if err := leaf.write(folder, one.file); err != nil {
			return err
		}
	}
	return nil
}

// issue makes a certificate; without a signer one that signs others.
func issue(name, uri string, signer *certificate) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},

		BasicConstraintsValid: true,
		IsCA:                  signer == nil,
	}
	if uri != "" {
		parsed, err := url.Parse(uri)
		if err != nil {
			return nil, err
		}
		template.URIs = []*url.URL{parsed}
	}
	parent, signing := template, key
	if signer != nil {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		parent, signing = signer.Certificate, signer.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signing)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(raw)
	return &certificate{parsed, key}, err
}

func (c *certificate) write(folder, file string) error {
	key, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, file)
	return errors.Join(
		os.WriteFile(path+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o644),
		os.WriteFile(path+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600),
	)
}
