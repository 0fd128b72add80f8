"""HTTP: routes, problem documents, limits. What Lockstep does stands in `app.control`."""
