/* What the server tells about itself, objects and locks, as dicts. */
#include "client/python/src/core.h"

/* Sets dict[name] to a new reference, which is taken; false also for NULL. */
static bool set(PyObject *dict, const char *name, PyObject *value) {
  bool is_set = value != NULL && PyDict_SetItemString(dict, name, value) == 0;
  Py_XDECREF(value);
  return is_set;
}

static bool set_number(PyObject *dict, const char *name, uint64_t number) {
  return set(dict, name, PyLong_FromUnsignedLongLong(number));
}

static bool set_bool(PyObject *dict, const char *name, bool boolean) {
  return set(dict, name, PyBool_FromLong(boolean));
}

/* "": None */
static bool set_text(PyObject *dict, const char *name, const char *text) {
  return set(dict, name, *text == '\0' ? Py_NewRef(Py_None) : PyUnicode_FromString(text));
}

static bool set_kind_members(PyObject *dict, const struct hf_object_info *info) {
  const char typecode[] = {info->typecode, '\0'};
  switch (info->kind) {
    case HF_QUEUE:
      return set(dict, "maxsize", PyLong_FromLongLong(info->maxsize)) &&
             set_number(dict, "unfinished", info->unfinished) &&
             set_number(dict, "delayed", info->delayed) &&
             set_number(dict, "reserved", info->reserved) &&
             set_number(dict, "buried", info->buried) &&
             set_bool(dict, "shut_down", info->shut_down);
    case HF_LOCK:
    case HF_RLOCK:
      return set_bool(dict, "locked", info->locked) && set_text(dict, "owner", info->owner) &&
             set_number(dict, "token", info->token) &&
             set(dict, "lease", PyFloat_FromDouble((double)info->lease_ms / 1000.0));
    case HF_VALUE:
    case HF_ARRAY:
      return set_text(dict, "typecode", typecode) && set_bool(dict, "locked", info->locked) &&
             set_text(dict, "owner", info->owner);
    case HF_RAW_VALUE:
    case HF_RAW_ARRAY:
      return set_text(dict, "typecode", typecode);
    case HF_SEMAPHORE:
    case HF_BOUNDED_SEMAPHORE:
      return set_number(dict, "value", info->value);
    case HF_EVENT:
      return set_bool(dict, "is_set", info->value != 0);
    case HF_BARRIER:
      return set_number(dict, "parties", info->parties) &&
             set_number(dict, "arrived", info->arrived) && set_bool(dict, "broken", info->broken);
    default:
      return true;
  }
}

PyObject *info_dict(const struct hf_object_info *info) {
  PyObject *dict = PyDict_New();
  if (dict != NULL &&
      !(set_number(dict, "id", info->id) && set_text(dict, "kind", hf_kind_name(info->kind)) &&
        set_text(dict, "name", info->name) && set_number(dict, "length", info->length) &&
        set_number(dict, "waiting", info->waiting) &&
        set_number(dict, "references", info->references) && set_kind_members(dict, info))) {
    Py_CLEAR(dict);
  }
  return dict;
}

/* ---------------------------------------------------------------- the server */

static PyObject *memory_dict(const struct hf_server_info *info) {
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict != NULL && i < info->memory_count; i++) {
    const struct hf_memory_use *use = &info->memory[i];
    if (!set(dict, use->name,
             Py_BuildValue("{s:K,s:K}", "bytes", (unsigned long long)use->bytes, "bytes_max",
                           (unsigned long long)use->bytes_max))) {
      Py_CLEAR(dict);
    }
  }
  return dict;
}

static PyObject *users_dict(const struct hf_server_info *info) {
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict != NULL && i < info->users_count; i++) {
    const struct hf_user_use *use = &info->users[i];
    PyObject *user = PyDict_New();
    bool is_set = user != NULL && set_bool(user, "removed", use->removed) &&
                  set_number(user, "memory_bytes", use->memory_bytes) &&
                  set_number(user, "objects", use->objects) &&
                  set_number(user, "sessions", use->sessions) &&
                  set_number(user, "connections", use->connections) &&
                  set_number(user, "waiting", use->waiting);
    if (!is_set || PyDict_SetItemString(dict, use->name, user) != 0) {
      Py_CLEAR(dict);
    }
    Py_XDECREF(user);
  }
  return dict;
}

/* None: there is no snapshot. */
static PyObject *snapshot_age(const struct hf_journal_info *journal) {
  return journal->snapshot_index > 0 ? PyFloat_FromDouble((double)journal->snapshot_age_ms / 1000.0)
                                     : Py_NewRef(Py_None);
}

/* None: the state is in memory only. */
static PyObject *journal_dict(const struct hf_server_info *info) {
  const struct hf_journal_info *journal = &info->journal;
  if (!info->has_journal) {
    return Py_NewRef(Py_None);
  }
  PyObject *dict = PyDict_New();
  if (dict != NULL &&
      !(set_number(dict, "index", journal->index) &&
        set_number(dict, "committed", journal->committed) &&
        set_number(dict, "journal_bytes", journal->journal_bytes) &&
        set_number(dict, "snapshot_index", journal->snapshot_index) &&
        set_number(dict, "snapshot_bytes", journal->snapshot_bytes) &&
        set(dict, "snapshot_age", snapshot_age(journal)) &&
        set(dict, "fsync_p99", PyFloat_FromDouble((double)journal->fsync_p99_us / 1e6)) &&
        set(dict, "unsynced", PyFloat_FromDouble((double)journal->unsynced_ms / 1000.0)) &&
        set_bool(dict, "full", journal->full) &&
        set_bool(dict, "compacting", journal->compacting) &&
        set_text(dict, "fsync", journal->fsync))) {
    Py_CLEAR(dict);
  }
  return dict;
}

PyObject *server_info_dict(const struct hf_server_info *info) {
  PyObject *dict = PyDict_New();
  if (dict != NULL &&
      !(set_text(dict, "version", info->version) &&
        set(dict, "uptime", PyFloat_FromDouble((double)info->uptime_ms / 1000.0)) &&
        set_number(dict, "sessions", info->sessions) &&
        set_number(dict, "objects", info->objects) && set_number(dict, "waiting", info->waiting) &&
        set_number(dict, "requests", info->requests) &&
        set_number(dict, "duplicates", info->duplicates) &&
        set_number(dict, "connections", info->connections) &&
        set_number(dict, "deadlocks", info->deadlocks) &&
        set_number(dict, "memory_bytes", info->memory_bytes) &&
        set_number(dict, "memory_bytes_max", info->memory_bytes_max) &&
        set(dict, "memory", memory_dict(info)) && set(dict, "users", users_dict(info)) &&
        set_number(dict, "users_left_out", info->users_left_out) &&
        set(dict, "journal", journal_dict(info)))) {
    Py_CLEAR(dict);
  }
  return dict;
}

/* ---------------------------------------------------------------- locks */

/* None: nobody. */
static PyObject *party_dict(const struct hf_party *party, bool waits) {
  if (party->session == 0) {
    return Py_NewRef(Py_None);
  }
  PyObject *dict = PyDict_New();
  if (dict != NULL &&
      !(set_text(dict, "client", party->client) && set_number(dict, "session", party->session) &&
        set_number(dict, "thread", party->thread) &&
        (!waits || set(dict, "waited", PyFloat_FromDouble((double)party->waited_ms / 1000.0))))) {
    Py_CLEAR(dict);
  }
  return dict;
}

static PyObject *waiter_list(const struct hf_lock_info *lock) {
  PyObject *list = PyList_New((Py_ssize_t)lock->waiters_count);
  for (size_t i = 0; list != NULL && i < lock->waiters_count; i++) {
    PyObject *waiter = party_dict(&lock->waiters[i], true);
    if (waiter == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, (Py_ssize_t)i, waiter);
    }
  }
  return list;
}

static PyObject *lock_dict(const struct hf_lock_info *lock) {
  PyObject *dict = PyDict_New();
  if (dict != NULL &&
      !(set_number(dict, "id", lock->id) && set_text(dict, "kind", hf_kind_name(lock->kind)) &&
        set_text(dict, "name", lock->name) && set_bool(dict, "owned", lock->owned) &&
        set(dict, "owner", party_dict(&lock->owner, false)) &&
        set_number(dict, "token", lock->token) && set_number(dict, "depth", lock->depth) &&
        set(dict, "lease", PyFloat_FromDouble((double)lock->lease_ms / 1000.0)) &&
        set(dict, "waiters", waiter_list(lock)) &&
        set_number(dict, "more_waiters", lock->more_waiters) &&
        set_bool(dict, "deadlocked", lock->deadlocked))) {
    Py_CLEAR(dict);
  }
  return dict;
}

PyObject *lock_info_list(const struct hf_lock_info *locks, size_t count) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; list != NULL && i < count; i++) {
    PyObject *dict = lock_dict(&locks[i]);
    if (dict == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, (Py_ssize_t)i, dict);
    }
  }
  return list;
}
