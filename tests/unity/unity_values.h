#pragma once

// How the Unity face reads, compares and shows values. Whole numbers travel as long long; their type says how many bits
// count and whether they have a sign.
#include <cstddef>
#include <string>

#include "tests/unity/unity.h"

namespace sealring::unity {

// The value with only the bits of the type; unsigned ones of 64 bits keep their bits.
long long narrow(SealringUnityType type, long long value);
long long load(SealringUnityType type, const void* array, size_t i);
// <0, 0, >0 as a is less than, equal to, greater than b.
int order(SealringUnityType type, long long a, long long b);
unsigned long long distance(SealringUnityType type, long long a, long long b);
// A difference has no sign, whatever the type.
SealringUnityType unsigned_like(SealringUnityType type);
bool holds(SealringUnityRelation relation, int order);

// Equal are NaN and NaN, and infinities of one sign.
bool near(double delta, double expected, double actual);
bool real_holds(SealringUnityRelation relation, SealringUnityType type, double expected, double actual);
double load_real(SealringUnityType type, const void* array, size_t i);
bool has_trait(SealringUnityTrait trait, double value);
// Both may be null.
bool same_text(const char* expected, const char* actual, size_t most);

std::string show(SealringUnityType type, long long value);
std::string show_bits(unsigned long long mask, unsigned long long value);
std::string show_text(const char* text, size_t most);
std::string show_real(SealringUnityType type, double value);
std::string expected_was(const std::string& expected, const std::string& actual);
std::string relation_words(SealringUnityRelation relation, const std::string& expected, const std::string& actual);
std::string trait_words(SealringUnityTrait trait);

}  // namespace sealring::unity
