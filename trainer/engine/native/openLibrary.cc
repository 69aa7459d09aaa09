// Loads shared libraries by their paths and says why one does not load.
//
// TensorFlow opens NVIDIA's libraries by name alone (libcudnn.so.9), and the loader would look for them in the system's
// folders and in LD_LIBRARY_PATH. It takes a library of that name that is loaded already: so they are loaded beforehand,
// from where the installation has put them.
#include <dlfcn.h>
#include <node_api.h>

#include <string>

namespace {

bool Fail(napi_env env, const char* message) {
  napi_throw_error(env, nullptr, message);
  return false;
}

bool TextOf(napi_env env, napi_value value, std::string* text) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return Fail(env, "open() takes a path");
  text->resize(length + 1);
  napi_get_value_string_utf8(env, value, &(*text)[0], length + 1, &length);
  text->resize(length);
  return true;
}

// open(path): undefined, or why the library cannot be loaded. What is loaded stays until the process ends.
napi_value Open(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  std::string path;
  if (!TextOf(env, argument, &path)) return nullptr;
  napi_value result;
  // TensorFlow opens them with the same flags (tsl/platform/default/load_library.cc).
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) {
    napi_get_undefined(env, &result);
  } else {
    napi_create_string_utf8(env, dlerror(), NAPI_AUTO_LENGTH, &result);
  }
  return result;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value open;
  napi_create_function(env, "open", NAPI_AUTO_LENGTH, Open, nullptr, &open);
  napi_set_named_property(env, exports, "open", open);
  return exports;
}
