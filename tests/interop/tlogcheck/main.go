// tlogcheck reads a log from a collector as any tlog-tiles client would, and verifies what it reads with Go's own
// transparency-log packages, golang.org/x/mod/sumdb/note and .../tlog: code that shares nothing with the one it judges.
//
// It prints one JSON object of what it has verified. Exit code 1: something does not hold, in words on stderr; 2: usage;
// 3: the resource of -flip was never asked for, so nothing was tried.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type options struct {
	base, ca, cert, key string
	vkey, cosigner      string
	old, save           string
	records             string
	random              int
	seed                int64
	all                 bool
	flip                string
	proof, entry        string
}

// report is what was verified; a test compares the counts with what it asked for.
type report struct {
	Size       int64 `json:"size"`
	OldSize    int64 `json:"old_size"`
	Records    int   `json:"records"`
	Entries    int64 `json:"entries"`
	Tiles      int   `json:"tiles"`
	Bundles    int   `json:"bundles"`
	Gzipped    int   `json:"gzipped"`
	ProofIndex int64 `json:"proof_index"`
}

func main() {
	var o options
	flag.StringVar(&o.base, "base", "", "monitoring prefix of the log, as a URL")
	flag.StringVar(&o.ca, "ca", "", "whom to trust (PEM)")
	flag.StringVar(&o.cert, "cert", "", "own certificate (PEM)")
	flag.StringVar(&o.key, "key", "", "own key (PEM)")
	flag.StringVar(&o.vkey, "vkey", "", "the log's vkey")
	flag.StringVar(&o.cosigner, "cosigner", "", "vkey of a cosigner whose line must be there")
	flag.StringVar(&o.old, "old", "", "file of an earlier checkpoint that this one must extend")
	flag.StringVar(&o.save, "save", "", "file for the checkpoint that was read")
	flag.StringVar(&o.records, "records", "", "indexes whose inclusion to verify, with commas")
	flag.IntVar(&o.random, "random", 0, "how many random indexes besides")
	flag.Int64Var(&o.seed, "seed", 0, "of the random indexes")
	flag.BoolVar(&o.all, "all", false, "read every entry and recompute the root from them")
	flag.StringVar(&o.flip, "flip", "", "RESOURCE:OFFSET, a byte that is changed on its way")
	flag.StringVar(&o.proof, "proof", "", "a .tlog-proof to verify, offline")
	flag.StringVar(&o.entry, "entry", "", "file of the entry that the proof is of")
	flag.Parse()
	if flag.NArg() != 0 || o.vkey == "" || (o.base == "") == (o.proof == "") {
		fmt.Fprintln(os.Stderr, "tlogcheck: needs -vkey, and -base or -proof")
		os.Exit(2)
	}
	got, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlogcheck:", err)
		if errors.Is(err, errNotFlipped) {
			os.Exit(3)
		}
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(got)
}

func run(o options) (report, error) {
	verifiers, err := verifiersOf(o.vkey, o.cosigner)
	if err != nil {
		return report{}, err
	}
	if o.proof != "" {
		return checkProof(o, verifiers)
	}
	server, err := connect(o)
	if err != nil {
		return report{}, err
	}
	got, err := checkLog(o, server, verifiers)
	if err == nil && o.flip != "" && !server.flipped {
		return got, errNotFlipped
	}
	got.Tiles, got.Bundles, got.Gzipped = server.tiles, server.bundles, server.gzipped
	return got, err
}

func checkLog(o options, server *collector, verifiers []note.Verifier) (report, error) {
	var got report
	text, err := server.get("checkpoint")
	if err != nil {
		return got, err
	}
	tree, err := openCheckpoint(text, verifiers)
	if err != nil {
		return got, err
	}
	got.Size = tree.N
	if o.save != "" {
		if err := os.WriteFile(o.save, text, 0o644); err != nil {
			return got, err
		}
	}
	hashes := tlog.TileHashReader(tree, server)
	if o.old != "" {
		if got.OldSize, err = checkConsistency(o.old, tree, hashes, verifiers); err != nil {
			return got, err
		}
	}
	indexes, err := chosen(o, tree.N)
	if err != nil {
		return got, err
	}
	for _, index := range indexes {
		if err := checkInclusion(server, tree, hashes, index); err != nil {
			return got, fmt.Errorf("record %d of %d: %w", index, tree.N, err)
		}
		got.Records++
	}
	if o.all {
		if err := checkAll(server, tree, hashes); err != nil {
			return got, err
		}
		got.Entries = tree.N
	}
	return got, nil
}

func chosen(o options, size int64) ([]int64, error) {
	var indexes []int64
	for _, word := range strings.Split(o.records, ",") {
		if word == "" {
			continue
		}
		index, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, index)
	}
	source := rand.New(rand.NewSource(o.seed))
	for i := 0; i < o.random; i++ {
		indexes = append(indexes, source.Int63n(size))
	}
	return indexes, nil
}

func checkConsistency(file string, tree tlog.Tree, hashes tlog.HashReader, verifiers []note.Verifier) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	old, err := openCheckpoint(text, verifiers)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return 0, fmt.Errorf("consistency of %d and %d: %w", old.N, tree.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return 0, fmt.Errorf("consistency of %d and %d: %w", old.N, tree.N, err)
	}
	return old.N, nil
}

func checkInclusion(server *collector, tree tlog.Tree, hashes tlog.HashReader, index int64) error {
	if index < 0 || index >= tree.N {
		return errors.New("there is no such record")
	}
	bundle, err := server.bundle(index/bundleEntries, tree.N)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(bundle[index%bundleEntries]))
}

// checkAll reads every bundle, compares each entry's hash with the leaf that the tiles have, and computes the root anew.
func checkAll(server *collector, tree tlog.Tree, hashes tlog.HashReader) error {
	var stored []tlog.Hash
	own := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, 0, len(indexes))
		for _, index := range indexes {
			if index < 0 || index >= int64(len(stored)) {
				return nil, fmt.Errorf("no hash %d of %d", index, len(stored))
			}
			out = append(out, stored[index])
		}
		return out, nil
	})
	for start := int64(0); start < tree.N; start += bundleEntries {
		bundle, err := server.bundle(start/bundleEntries, tree.N)
		if err != nil {
			return err
		}
		var indexes []int64
		for i, entry := range bundle {
			more, err := tlog.StoredHashes(start+int64(i), entry, own)
			if err != nil {
				return err
			}
			stored = append(stored, more...)
			indexes = append(indexes, tlog.StoredHashIndex(0, start+int64(i)))
		}
		leaves, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range bundle {
			if leaves[i] != tlog.RecordHash(entry) {
				return fmt.Errorf("entry %d does not have the hash of its leaf", start+int64(i))
			}
		}
	}
	root, err := tlog.TreeHash(tree.N, own)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the entries do not give the root of the checkpoint")
	}
	return nil
}
