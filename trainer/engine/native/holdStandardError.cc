// Holds back what is written to file descriptor 2 while a library loads.
//
// TensorFlow's C library writes to standard error from its static initialisers, before any of its settings is read.
// hold() sends the descriptor to a file in memory; release() restores it and returns the text, so that the
// caller can decide what a person should see. If the process crashes in between, the text is passed on first.
#include <node_api.h>

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <mutex>
#include <string>

namespace {

constexpr int kStandardError = 2;
constexpr int kCrashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
constexpr int kCrashCount = sizeof(kCrashes) / sizeof(kCrashes[0]);

// The descriptor belongs to the process, and several threads of Node may load the engine at once.
std::mutex mutex;
int holders = 0;
int original = -1;
int held = -1;
struct sigaction previous[kCrashCount];

void RestoreDescriptor() {
  dup2(original, kStandardError);
  close(original);
  original = -1;
}

void RestoreSignals() {
  for (int i = 0; i < kCrashCount; i++) sigaction(kCrashes[i], &previous[i], nullptr);
}

// Calls only functions that are safe in a signal handler.
void OnCrash(int signal) {
  char buffer[4096];
  ssize_t length;
  lseek(held, 0, SEEK_SET);
  while ((length = read(held, buffer, sizeof(buffer))) > 0) {
    if (write(original, buffer, length) < 0) break;
  }
  RestoreDescriptor();
  RestoreSignals();
  raise(signal);
}

const char* Redirect() {
  original = dup(kStandardError);
  if (original < 0) return "standard error is closed";
  held = memfd_create("held-standard-error", MFD_CLOEXEC);
  if (held < 0 || dup2(held, kStandardError) < 0) {
    if (held >= 0) close(held);
    close(original);
    return "standard error cannot be redirected";
  }
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = OnCrash;
  for (int i = 0; i < kCrashCount; i++) sigaction(kCrashes[i], &action, &previous[i]);
  return nullptr;
}

std::string Restore() {
  RestoreSignals();
  RestoreDescriptor();
  std::string text;
  char buffer[4096];
  ssize_t length;
  lseek(held, 0, SEEK_SET);
  while ((length = read(held, buffer, sizeof(buffer))) > 0) text.append(buffer, length);
  close(held);
  held = -1;
  return text;
}

napi_value Hold(napi_env env, napi_callback_info) {
  std::lock_guard<std::mutex> guard(mutex);
  if (holders == 0) {
    const char* problem = Redirect();
    if (problem != nullptr) {
      napi_throw_error(env, nullptr, problem);
      return nullptr;
    }
  }
  holders++;
  return nullptr;
}

// Returns the text once the last holder lets go, and an empty string to the others.
napi_value Release(napi_env env, napi_callback_info) {
  std::lock_guard<std::mutex> guard(mutex);
  if (holders == 0) {
    napi_throw_error(env, nullptr, "release() without hold()");
    return nullptr;
  }
  std::string text;
  if (--holders == 0) text = Restore();
  napi_value result;
  if (napi_create_string_utf8(env, text.data(), text.size(), &result) != napi_ok) return nullptr;
  return result;
}

napi_value Initialize(napi_env env, napi_value exports) {
  napi_property_descriptor properties[] = {
      {"hold", nullptr, Hold, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"release", nullptr, Release, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, 2, properties);
  return exports;
}

}  // namespace

NAPI_MODULE(hold_standard_error, Initialize)
