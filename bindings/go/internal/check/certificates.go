package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates and keeps them as PEM files in a folder of the test.
type Authority struct {
	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewAuthority is one that nobody knows yet.
func NewAuthority(t testing.TB) *Authority {
	a := &Authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	a.cert = certificate("authority")
	a.cert.IsCA = true
	a.write("authority.pem", "CERTIFICATE", a.sign(a.cert, a.key))
	return a
}

// File is the path of its certificate.
func (a *Authority) File() string {
	return filepath.Join(a.dir, "authority.pem")
}

// Issue makes a key and a certificate for a name, and for a URI if there is one, and returns their paths.
func (a *Authority) Issue(name, uri string) (key, cert string) {
	own, template := newKey(a.t), certificate(name)
	if uri != "" {
		parsed, err := url.Parse(uri)
		OK(a.t, err)
		template.URIs = []*url.URL{parsed}
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(own)
	OK(a.t, err)
	return a.write(name+".key", "PRIVATE KEY", bytes), a.write(name+".pem", "CERTIFICATE", a.sign(template, own))
}

func (a *Authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	bytes, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	OK(a.t, err)
	return bytes
}

func (a *Authority) write(name, kind string, bytes []byte) string {
	path := filepath.Join(a.dir, name)
	OK(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
	return path
}

// Certificate is one for an address, and who trusts it.
func Certificate(t testing.TB, address string) (*x509.CertPool, tls.Certificate) {
	key, template := newKey(t), certificate(address)
	template.IPAddresses, template.IsCA = []net.IP{net.ParseIP(address)}, true
	bytes, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	OK(t, err)
	parsed, err := x509.ParseCertificate(bytes)
	OK(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool, tls.Certificate{Certificate: [][]byte{bytes}, PrivateKey: key}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	OK(t, err)
	return key
}

func certificate(name string) *x509.Certificate {
	serial := new(big.Int).SetBytes([]byte(name))
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
}
