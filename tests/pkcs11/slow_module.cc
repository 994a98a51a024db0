// A PKCS#11 library in front of a real one that takes its time to sign, as a smart card does.
//
//     SEALRING_SLOW_MODULE=/usr/lib/softhsm/libsofthsm2.so SEALRING_SLOW_MS=150
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace {

CK_FUNCTION_LIST real, ours;
std::chrono::milliseconds delay{150};

CK_RV slow_sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* out, CK_ULONG* out_size) {
  std::this_thread::sleep_for(delay);
  return real.C_Sign(session, data, size, out, out_size);
}

}  // namespace

extern "C" CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  const char* path = std::getenv("SEALRING_SLOW_MODULE");
  const char* ms = std::getenv("SEALRING_SLOW_MS");
  if (path == nullptr) return CKR_GENERAL_ERROR;
  if (ms != nullptr) delay = std::chrono::milliseconds(std::strtol(ms, nullptr, 10));
  void* const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) return CKR_GENERAL_ERROR;
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get == nullptr || get(&functions) != CKR_OK) return CKR_GENERAL_ERROR;
  real = ours = *functions;
  ours.C_Sign = slow_sign;
  *list = &ours;
  return CKR_OK;
}
