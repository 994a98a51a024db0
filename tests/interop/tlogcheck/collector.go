package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight    = 8
	bundleEntries = 1 << tileHeight
	immutable     = "public, max-age=31536000, immutable"
)

var errNotFlipped = errors.New("the resource of -flip was never read")
var errMissing = errors.New("404")

// collector is a tlog.TileReader over C2SP tlog-tiles. Paths there are tile/L/N, without sumdb's height.
type collector struct {
	base   string
	client *http.Client
	kept   map[string][]byte

	flip    string
	flipAt  int
	flipped bool

	tiles, bundles, gzipped int
}

func connect(o options) (*collector, error) {
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", o.ca)
	}
	c := &collector{base: o.base, kept: map[string][]byte{}}
	c.client = &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		},
	}
	if o.flip != "" {
		at := strings.LastIndexByte(o.flip, ':')
		if at < 0 {
			return nil, errors.New("-flip is RESOURCE:OFFSET")
		}
		c.flip = o.flip[:at]
		if c.flipAt, err = strconv.Atoi(o.flip[at+1:]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// get reads a resource once. Go's client asks for gzip by itself and unpacks it.
func (c *collector) get(resource string) ([]byte, error) {
	if body, ok := c.kept[resource]; ok {
		return body, nil
	}
	response, err := c.client.Get(c.base + "/" + resource)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", resource, errMissing)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", resource, response.Status, body)
	}
	if err := checkHeaders(resource, response); err != nil {
		return nil, fmt.Errorf("%s: %w", resource, err)
	}
	if response.Uncompressed {
		c.gzipped++
	}
	if resource == c.flip && c.flipAt < len(body) {
		body[c.flipAt] ^= 1
		c.flipped = true
	}
	c.kept[resource] = body
	return body, nil
}

func checkHeaders(resource string, response *http.Response) error {
	kind, cache := "application/octet-stream", immutable
	if resource == "checkpoint" {
		kind, cache = "text/plain; charset=utf-8", "no-cache"
	}
	if got := response.Header.Get("Content-Type"); got != kind {
		return fmt.Errorf("Content-Type %q", got)
	}
	if got := response.Header.Get("Cache-Control"); got != cache {
		return fmt.Errorf("Cache-Control %q", got)
	}
	bundle := strings.HasPrefix(resource, "tile/entries/")
	if got := response.Header.Get("Vary"); (got == "Accept-Encoding") != bundle {
		return fmt.Errorf("Vary %q", got)
	}
	return nil
}

// number writes N in groups of three digits, all but the last with an x.
func number(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

// wide reads a partial tile or bundle, or the full one where it has taken the partial one's place.
func (c *collector) wide(path string, width int) ([]byte, error) {
	if width < bundleEntries {
		body, err := c.get(fmt.Sprintf("%s.p/%d", path, width))
		if !errors.Is(err, errMissing) {
			return body, err
		}
	}
	return c.get(path)
}

func (c *collector) Height() int { return tileHeight }

func (c *collector) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		if tile.H != tileHeight || tile.L < 0 {
			return nil, fmt.Errorf("no such tile: %v", tile)
		}
		body, err := c.wide(fmt.Sprintf("tile/%d/%s", tile.L, number(tile.N)), tile.W)
		if err != nil {
			return nil, err
		}
		if len(body) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %v has %d bytes", tile, len(body))
		}
		all = append(all, body[:tile.W*tlog.HashSize])
		c.tiles++
	}
	return all, nil
}

func (c *collector) SaveTiles([]tlog.Tile, [][]byte) {}

// bundle returns the entries [256n, 256(n+1)) of the tree of `size`.
func (c *collector) bundle(n, size int64) ([][]byte, error) {
	width := bundleEntries
	if rest := size - n*bundleEntries; rest < bundleEntries {
		width = int(rest)
	}
	path := "tile/entries/" + number(n)
	body, err := c.wide(path, width)
	if err != nil {
		return nil, err
	}
	c.bundles++
	var entries [][]byte
	for len(entries) < width {
		if len(body) < 2 {
			return nil, fmt.Errorf("%s ends within entry %d", path, len(entries))
		}
		length := int(binary.BigEndian.Uint16(body))
		if len(body) < 2+length {
			return nil, fmt.Errorf("%s ends within entry %d", path, len(entries))
		}
		entries = append(entries, body[2:2+length])
		body = body[2+length:]
	}
	return entries, nil
}
