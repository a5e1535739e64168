;; The smallest handler there is: any job, and an empty output. The tests put other things where it says "extra".
(component
  (import "jobhost:plugin/types@0.1.0" (instance $types
    (type $pair (tuple string string))
    (type $pairs (list $pair))
    (type $limit (option u32))
    (type $time (option u64))
    (type $job' (record
      (field "id" string) (field "key" string) (field "queue" string) (field "name" string)
      (field "payload" string) (field "attempt" u32) (field "max-attempts" $limit) (field "ttr" u32)
      (field "pushed-at" $time) (field "metadata" $pairs)))
    (export "job" (type $job (eq $job')))
    (type $failure' (record (field "code" string) (field "message" string) (field "details" $pairs)))
    (export "failure" (type $failure (eq $failure')))
    (type $delayed' (record (field "failure" $failure) (field "after" u64)))
    (export "delayed-failure" (type $delayed (eq $delayed')))
    (type $error' (variant (case "temporary" $failure) (case "retry-after" $delayed) (case "permanent" $failure)))
    (export "job-error" (type (eq $error')))
  ))
  (alias export $types "job" (type $job))
  (alias export $types "job-error" (type $job-error))
  (core module $module
    (memory (export "memory") 1)
    ;; Every allocation gets the same place: nobody reads the job.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 2048)
    ;; Zeros: `ok`, and a string of no length.
    (func (export "execute") (param i32) (result i32) i32.const 1024)
    ;; extra
  )
  (core instance $instance (instantiate $module))
  (type $outcome (result string (error $job-error)))
  (func $execute (param "job" $job) (result $outcome)
    (canon lift (core func $instance "execute") (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
  (instance $handler (export "execute" (func $execute)))
  (export "jobhost:plugin/handler@0.1.0" (instance $handler))
)
