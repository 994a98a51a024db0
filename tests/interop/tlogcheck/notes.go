package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// verifiersOf: the log's key as sumdb/note has it, and, when there is one, a cosigner's, which it does not know.
func verifiersOf(vkey, cosigner string) ([]note.Verifier, error) {
	log, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("the log's vkey: %w", err)
	}
	verifiers := []note.Verifier{log}
	if cosigner != "" {
		other, err := newCosigner(cosigner)
		if err != nil {
			return nil, fmt.Errorf("the cosigner's vkey: %w", err)
		}
		verifiers = append(verifiers, other)
	}
	return verifiers, nil
}

// cosigner verifies C2SP cosignature/v1 lines: u64be time, then Ed25519 over a header with that time and the text.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not NAME+HASH+KEY")
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, errors.New("not a key of type 4")
	}
	return &cosigner{parts[0], uint32(hash), key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(message, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	header := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(signature))
	return ed25519.Verify(c.key, append([]byte(header), message...), signature[8:])
}

// openCheckpoint: every one of `verifiers` must have signed.
func openCheckpoint(text []byte, verifiers []note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	for _, verifier := range verifiers {
		found := false
		for _, signature := range opened.Sigs {
			found = found || (signature.Name == verifier.Name() && signature.Hash == verifier.KeyHash())
		}
		if !found {
			return tlog.Tree{}, fmt.Errorf("checkpoint: no signature by %s", verifier.Name())
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, errors.New("checkpoint: not origin, size and root")
	}
	if lines[0] != verifiers[0].Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint: of another origin, %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// checkProof verifies a C2SP tlog-proof: header, optional extra line, index, hashes, empty line, checkpoint.
func checkProof(o options, verifiers []note.Verifier) (report, error) {
	var got report
	text, err := os.ReadFile(o.proof)
	if err != nil {
		return got, err
	}
	entry, err := os.ReadFile(o.entry)
	if err != nil {
		return got, err
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return got, errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return got, errors.New("tlog-proof: no index line")
	}
	if got.ProofIndex, err = strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64); err != nil {
		return got, fmt.Errorf("tlog-proof: %w", err)
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return got, fmt.Errorf("tlog-proof: %w", err)
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(checkpoint, verifiers)
	if err != nil {
		return got, err
	}
	got.Size, got.Records = tree.N, 1
	return got, tlog.CheckRecord(proof, tree.N, tree.Hash, got.ProofIndex, tlog.RecordHash(entry))
}
